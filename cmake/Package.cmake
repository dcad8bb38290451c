# Debian packages, for the release of Debian on which they are built: `make deb`, or
#   cpack --config build/release/CPackConfig.cmake -B build/deb
#   cpack … -D CPACK_COMPONENTS_ALL="program;service"       memseal alone, without the model
# What memseal links is Debian's own or linked statically, so dpkg-shlibdeps finds every dependency.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "The memseal authors <maintainers@memseal.invalid>")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_SOURCE_DIR}/cmake/PackageModes.cmake")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL program service model)
set(CPACK_COMPONENT_PROGRAM_GROUP memseal)
set(CPACK_COMPONENT_SERVICE_GROUP memseal)
set(CPACK_COMPONENT_MODEL_GROUP memseal-model)

# The release of Debian is part of the version, because libraries have other names in the next one.
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
if(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release debian REGEX "^VERSION_ID=")
  string(REGEX REPLACE "[^0-9.]" "" debian "${debian}")
  string(APPEND CPACK_DEBIAN_PACKAGE_RELEASE "+deb${debian}")
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_NAME memseal)
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_SECTION database)
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_RECOMMENDS "ca-certificates, memseal-model")
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_SUGGESTS "postgresql, redis-server")
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_CONTROL_EXTRA "${CMAKE_SOURCE_DIR}/deploy/debian/postinst"
  "${CMAKE_SOURCE_DIR}/deploy/debian/prerm" "${CMAKE_SOURCE_DIR}/deploy/debian/postrm")
set(CPACK_DEBIAN_MEMSEAL_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_COMPONENT_MEMSEAL_DESCRIPTION
"memory and knowledge service behind an AI assistant
Events come in by Kafka, are sealed per user, and come out ranked as
Server-Sent Events. The service is neither started nor enabled when the
package is installed, because it needs keys and a database first.")
set(CPACK_DEBIAN_MEMSEAL-MODEL_PACKAGE_NAME memseal-model)
set(CPACK_DEBIAN_MEMSEAL-MODEL_PACKAGE_SECTION database)
set(CPACK_DEBIAN_MEMSEAL-MODEL_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_MEMSEAL-MODEL_DESCRIPTION
"embedder all-MiniLM-L6-v2 of memseal
The model that memseal uses where no other is configured.")
include(CPack)
