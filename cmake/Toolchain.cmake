# Warnings, hardening, sanitizers, ccache, a fast linker.
find_program(CCACHE ccache)
if(CCACHE)
  # Another checkout of the same sources hits too, but not with MEMSEAL_PCH: CMake passes the absolute
  # path of the precompiled header, which is told by its content.
  # What a file depends on is what the compiler says: no preprocessing before each compilation.
  set(launcher ${CMAKE_COMMAND} -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
# A test program under AddressSanitizer is 60 MB: GNU ld takes 2.5 s for one, mold 0.1 s.
foreach(linker mold lld)
  find_program(MEMSEAL_LINKER_${linker} ld.${linker})
  if(MEMSEAL_LINKER_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

add_library(memseal_warnings INTERFACE)
# Not for nvcc, which compiles kernels/cuda/ and has no such flags.
set(host_only "$<COMPILE_LANGUAGE:C,CXX>")
target_compile_options(memseal_warnings INTERFACE
  "$<${host_only}:-Wall;-Wextra;-Werror;-Wno-missing-field-initializers>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 mistakes Asio's awaitable frames for mismatched allocations, and std::string moves for
  # overlapping copies.
  set(mistaken -Wno-mismatched-new-delete -Wno-restrict -Wno-maybe-uninitialized
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
  if(MEMSEAL_UNITY)
    # gcc takes a source that another one includes for a header, and warns of its anonymous types.
    list(APPEND mistaken -Wno-subobject-linkage)
  endif()
  target_compile_options(memseal_warnings INTERFACE "$<${host_only}:${mistaken}>")
endif()

add_compile_options("$<${host_only}:-fstack-protector-strong>")
add_link_options(-Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
  include_directories(SYSTEM "${CMAKE_SOURCE_DIR}/cmake/compat")
endif()
if(MEMSEAL_SANITIZE)
  add_compile_options(-fsanitize=${MEMSEAL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MEMSEAL_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options(-fno-sanitize=function)  # clang 14 cannot emit it for coroutines
  endif()
  if(MEMSEAL_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # atomic_thread_fence inside Asio
  endif()
endif()
if(MEMSEAL_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
