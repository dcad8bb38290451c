# The library of include/memseal/ for other programs: the CMake package `memseal` with its target
# memseal::memseal. It needs OpenSSL alone, so it is built of the few sources that it uses instead of
# the modules.
#   cmake --build build/release --target memseal_sb1
#   cmake --install build/release --component library --prefix PREFIX
file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/base/*.cpp")
foreach(name codec/utf8 crypto/library crypto/sealer crypto/hash crypto/random crypto/internal/gcm
    crypto/internal/nonces crypto/internal/provider_gcm)
  list(APPEND sources "${CMAKE_SOURCE_DIR}/src/pure/${name}.cpp")
endforeach()
if(MEMSEAL_UNITY)
  memseal_joined(sources memseal_sb1)
endif()
add_library(memseal_sb1 STATIC ${sources})
set_target_properties(memseal_sb1 PROPERTIES OUTPUT_NAME memseal EXPORT_NAME memseal)
target_compile_features(memseal_sb1 PUBLIC cxx_std_20)
target_compile_definitions(memseal_sb1 PRIVATE MEMSEAL_VERSION="${PROJECT_VERSION}")
target_include_directories(memseal_sb1 PRIVATE src
  PUBLIC "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:include>")
target_link_libraries(memseal_sb1 PRIVATE OpenSSL::Crypto "$<BUILD_INTERFACE:Boost::headers>"
  "$<BUILD_INTERFACE:memseal_warnings>")

install(TARGETS memseal_sb1 EXPORT memseal ARCHIVE DESTINATION lib COMPONENT library)
install(FILES include/memseal/sb1.hpp DESTINATION include/memseal COMPONENT library)
install(EXPORT memseal NAMESPACE memseal:: FILE memsealTargets.cmake DESTINATION lib/cmake/memseal
  COMPONENT library)
include(CMakePackageConfigHelpers)
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/memsealConfig.cmake" CONTENT [[
include(CMakeFindDependencyMacro)
find_dependency(OpenSSL 3 COMPONENTS Crypto)
include("${CMAKE_CURRENT_LIST_DIR}/memsealTargets.cmake")
]] @ONLY)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/memsealConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/memsealConfig.cmake"
  "${CMAKE_BINARY_DIR}/memsealConfigVersion.cmake" DESTINATION lib/cmake/memseal COMPONENT library)
