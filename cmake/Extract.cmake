# memseal-extract: the program that reads documents, for memseal, in a sandbox. It is small and links
# neither Boost nor anything of memseal's. Its library exists for tests.
file(GLOB extract_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/extract/*.cpp")
set(extract_compiled ${extract_sources})
if(MEMSEAL_UNITY)
  memseal_joined(extract_compiled memseal_formats)
endif()
set(extract_libraries expat_system icu_system zlib_system ${CMAKE_DL_LIBS})

add_library(memseal_formats STATIC EXCLUDE_FROM_ALL ${extract_compiled})
target_include_directories(memseal_formats PUBLIC "${CMAKE_SOURCE_DIR}/src")
target_link_libraries(memseal_formats PUBLIC ${extract_libraries} PRIVATE memseal_warnings)

add_executable(memseal-extract src/extract_main.cpp)
if(MEMSEAL_SANITIZE OR MEMSEAL_COVERAGE)
  # Sanitizers need more memory, and system calls, than the sandbox leaves. Optimised, because a test
  # gives it large files.
  target_sources(memseal-extract PRIVATE ${extract_compiled})
  target_include_directories(memseal-extract PRIVATE "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(memseal-extract PRIVATE ${extract_libraries} memseal_warnings)
  target_compile_options(memseal-extract PRIVATE -O2 -fno-sanitize=all
    $<$<BOOL:${MEMSEAL_COVERAGE}>:-fno-profile-arcs;-fno-test-coverage>)
  target_link_options(memseal-extract PRIVATE -fno-sanitize=all)
else()
  target_link_libraries(memseal-extract PRIVATE memseal_formats)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(memseal_formats PRIVATE -O2)
endif()

# It looks for the library beside itself. Where scripts/deps was not run, PDF is not read.
if(EXISTS "${CMAKE_SOURCE_DIR}/.deps/pdfium/libpdfium.so")
  file(CREATE_LINK "${CMAKE_SOURCE_DIR}/.deps/pdfium/libpdfium.so"
    "${CMAKE_BINARY_DIR}/libpdfium.so" SYMBOLIC)
endif()
