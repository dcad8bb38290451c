# Finds the CUDA Toolkit (.deps/cuda, else an installed one) and adds the library memseal_cuda.
set(MEMSEAL_CUDA_ARCHITECTURES "80-real;90a-real;100-real;100-virtual" CACHE STRING
  "GPU architectures that are compiled for")
set(own_toolkit "${CMAKE_CURRENT_SOURCE_DIR}/../.deps/cuda")
if(NOT CMAKE_CUDA_COMPILER)
  find_program(MEMSEAL_NVCC nvcc HINTS "${own_toolkit}/bin" PATHS /usr/local/cuda/bin)
  if(NOT MEMSEAL_NVCC)
    message(FATAL_ERROR "MEMSEAL_CUDA needs the CUDA Toolkit: run scripts/deps --cuda")
  endif()
  set(CMAKE_CUDA_COMPILER "${MEMSEAL_NVCC}")
endif()
set(CMAKE_CUDA_ARCHITECTURES "${MEMSEAL_CUDA_ARCHITECTURES}")
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc speaks it.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)

file(GLOB device_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cuda/*.cu")
add_library(memseal_cuda STATIC EXCLUDE_FROM_ALL ${device_sources})
target_include_directories(memseal_cuda PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
set_target_properties(memseal_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
  CUDA_ARCHITECTURES "${MEMSEAL_CUDA_ARCHITECTURES}")
target_compile_options(memseal_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xptxas -warn-spills --Werror all-warnings>")
target_link_libraries(memseal_cuda PUBLIC memseal_kernels
  PRIVATE CUDA::cudart_static CUDA::cublasLt)
