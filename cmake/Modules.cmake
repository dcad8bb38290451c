# memseal_module(folder LINK public… PRIVATE private…): the static library memseal_<name> of all
# sources below src/<folder>, where <name> is the folder's last part: adapters/kafka makes
# memseal_kafka. An include names a file by its path below src/, so the path shows the layer.
function(memseal_module folder)
  get_filename_component(name "${folder}" NAME)
  cmake_parse_arguments(M "" "" "LINK;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${folder}/*.cpp")
  add_library(memseal_${name} STATIC ${sources})
  target_include_directories(memseal_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src")
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

