# memseal_module(folder LINK public… PRIVATE private…): the static library memseal_<name> of all
# sources below src/<folder>, where <name> is the folder's last part: adapters/kafka makes
# memseal_kafka. An include names a file by its path below src/, so the path shows the layer.
# SEPARATE regex: each source whose path matches is compiled by itself in every build, because its
# speed must not depend on its neighbours, or because it has instruction sets of its own.
function(memseal_module folder)
  get_filename_component(name "${folder}" NAME)
  cmake_parse_arguments(M "" "SEPARATE" "LINK;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${folder}/*.cpp")
  set(separate "")
  if(M_SEPARATE)
    set(separate ${sources})
    list(FILTER separate INCLUDE REGEX "${M_SEPARATE}")
    list(FILTER sources EXCLUDE REGEX "${M_SEPARATE}")
  endif()
  if(MEMSEAL_UNITY)
    memseal_joined(sources memseal_${name})
  endif()
  add_library(memseal_${name} STATIC ${sources} ${separate})
  target_include_directories(memseal_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(memseal_${name} PUBLIC ${M_LINK} PRIVATE ${M_PRIVATE} memseal_warnings)
  target_compile_definitions(memseal_${name} PRIVATE MEMSEAL_VERSION="${PROJECT_VERSION}")
  if(pqxx_system IN_LIST M_PRIVATE)
    memseal_precompile(memseal_${name} memseal_pqxx_pch)
  else()
    memseal_precompile(memseal_${name} memseal_pch)
  endif()
endfunction()

# memseal_joined(variable name): replaces the sources of the list `variable` by files that include
# 24 of them each, because most of the time to compile one goes into Asio's headers: joined,
# src/http takes a third of the processor time. CMake's own UNITY_BUILD puts such files below the
# build directory of one preset, and ccache takes files of two directories for different ones: the
# cuda build would compile again what the release build has compiled.
# An include names a source by its path below src/ or tests/.
# A source with options or dependencies of its own (COMPILE_OPTIONS, OBJECT_DEPENDS) stays apart.
function(memseal_joined variable name)
  set(joined "")
  set(alone "")
  set(text "")
  set(count 0)
  foreach(source IN LISTS ${variable})
    get_source_file_property(options "${source}" COMPILE_OPTIONS)
    get_source_file_property(depends "${source}" OBJECT_DEPENDS)
    if(options OR depends)
      list(APPEND alone "${source}")
      continue()
    endif()
    file(RELATIVE_PATH path "${CMAKE_SOURCE_DIR}" "${source}")
    string(REGEX REPLACE "^(src|tests)/" "" path "${path}")
    string(APPEND text "#include \"${path}\"\n")
    math(EXPR count "${count} + 1")
    math(EXPR full "${count} % 24")
    if(full EQUAL 0)
      memseal_join_into(joined "${name}_${count}" "${text}")
      set(text "")
    endif()
  endforeach()
  if(text)
    memseal_join_into(joined "${name}_${count}" "${text}")
  endif()
  set(${variable} ${joined} ${alone} PARENT_SCOPE)
endfunction()

function(memseal_join_into list name content)
  set(file "${CMAKE_BINARY_DIR}/../joined/${name}.cpp")
  file(CONFIGURE OUTPUT "${file}" CONTENT "${content}" @ONLY)
  set(${list} ${${list}} "${file}" PARENT_SCOPE)
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

