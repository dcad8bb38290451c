# memseal_module(name LINK public… PRIVATE private…): the static library memseal_<name> of all
# src/<name>/*.cpp. A module without sources yet is an interface library.
function(memseal_module name)
  cmake_parse_arguments(M "" "" "LINK;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cpp")
  if(NOT sources)
    add_library(memseal_${name} INTERFACE)
    target_include_directories(memseal_${name} INTERFACE "${CMAKE_SOURCE_DIR}/include")
    target_link_libraries(memseal_${name} INTERFACE ${M_LINK} ${M_PRIVATE})
    return()
  endif()
  add_library(memseal_${name} STATIC ${sources})
  target_include_directories(memseal_${name} PUBLIC "${CMAKE_SOURCE_DIR}/include"
    PRIVATE "${CMAKE_SOURCE_DIR}/src/${name}")
  target_link_libraries(memseal_${name} PUBLIC ${M_LINK} PRIVATE ${M_PRIVATE} memseal_warnings)
  target_compile_definitions(memseal_${name} PRIVATE MEMSEAL_VERSION="${PROJECT_VERSION}")
  if(pqxx_system IN_LIST M_PRIVATE)
    memseal_precompile(memseal_${name} memseal_pqxx_pch)
  else()
    memseal_precompile(memseal_${name} memseal_pch)
  endif()
endfunction()

# memseal_precompile(target pch): the target reads the headers of that one (MEMSEAL_PCH).
function(memseal_precompile target pch)
  if(MEMSEAL_PCH)
    target_precompile_headers(${target} REUSE_FROM ${pch})
    target_link_libraries(${target} PRIVATE boost_impl)  # its headers name what lies there
  endif()
endfunction()

# memseal_precompiled(name header libraries…): precompiles one header for others.
function(memseal_precompiled name header)
  if(MEMSEAL_PCH)
    file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/${name}.cpp" CONTENT "// Only its header counts.\n")
    add_library(${name} STATIC "${CMAKE_BINARY_DIR}/${name}.cpp")
    target_link_libraries(${name} PRIVATE ${ARGN} memseal_warnings)
    target_precompile_headers(${name} PRIVATE "${CMAKE_SOURCE_DIR}/cmake/${header}")
  endif()
endfunction()

