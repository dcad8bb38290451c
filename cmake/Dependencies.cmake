# Every library comes from Debian's packages or from .deps/prefix (scripts/deps puts it there).
# A missing or too old one is one sentence that names the mend.
set(MEND "run scripts/deps")

set(Threads_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

function(memseal_need name found)
  if(NOT found)
    message(FATAL_ERROR "memseal needs ${name}: ${MEND}")
  endif()
endfunction()

find_path(BOOST_INCLUDE boost/version.hpp)
memseal_need("Boost headers 1.88 or later" "${BOOST_INCLUDE}")
file(STRINGS "${BOOST_INCLUDE}/boost/version.hpp" BOOST_LINE REGEX "^#define BOOST_VERSION [0-9]+")
string(REGEX MATCH "[0-9]+$" BOOST_NUMBER "${BOOST_LINE}")
if(BOOST_NUMBER LESS 108800)
  message(FATAL_ERROR "memseal needs Boost 1.88 or later, found ${BOOST_NUMBER} in ${BOOST_INCLUDE}: ${MEND}")
endif()
add_library(Boost::headers INTERFACE IMPORTED)
target_include_directories(Boost::headers SYSTEM INTERFACE "${BOOST_INCLUDE}")
target_compile_definitions(Boost::headers INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY
  BOOST_BEAST_SEPARATE_COMPILATION BOOST_BEAST_USE_STD_STRING_VIEW)
target_link_libraries(Boost::headers INTERFACE Threads::Threads)

add_library(boost_impl STATIC "${CMAKE_SOURCE_DIR}/cmake/boost_impl.cpp")
target_link_libraries(boost_impl PUBLIC Boost::headers)
add_library(boost_beast_impl STATIC "${CMAKE_SOURCE_DIR}/cmake/beast_impl.cpp")
target_link_libraries(boost_beast_impl PUBLIC boost_impl)

find_package(OpenSSL 3.0)
memseal_need("OpenSSL 3" "${OPENSSL_FOUND}")

find_package(spdlog QUIET)
memseal_need("spdlog" "${spdlog_FOUND}")
find_package(prometheus-cpp QUIET COMPONENTS core)
memseal_need("prometheus-cpp (core)" "${prometheus-cpp_FOUND}")
find_package(CLI11 QUIET)
memseal_need("CLI11" "${CLI11_FOUND}")

# name, target, header, libraries…: a plain library seen as a system one.
function(memseal_library name target header)
  string(TOUPPER ${target} key)
  find_path(${key}_INCLUDE ${header})
  memseal_need("${name}" "${${key}_INCLUDE}")
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE "${${key}_INCLUDE}")
  foreach(lib IN LISTS ARGN)
    string(TOUPPER ${lib} libkey)
    find_library(${libkey}_LIBRARY ${lib})
    memseal_need("${name} (lib${lib})" "${${libkey}_LIBRARY}")
    target_link_libraries(${target} INTERFACE "${${libkey}_LIBRARY}")
  endforeach()
endfunction()

# Its package finds LZ4 by a module that lies beside it.
list(APPEND CMAKE_MODULE_PATH "${CMAKE_SOURCE_DIR}/.deps/prefix/lib/cmake/RdKafka")
find_package(RdKafka CONFIG QUIET)
if(NOT TARGET RdKafka::rdkafka)
  memseal_library("librdkafka 2.8" rdkafka_system librdkafka/rdkafka.h rdkafka)
  add_library(RdKafka::rdkafka ALIAS rdkafka_system)
endif()
memseal_library("libpqxx 7.10" pqxx_system pqxx/pqxx pqxx pq)
memseal_library("hiredis 1.2" hiredis_system hiredis/hiredis.h hiredis)
memseal_library("oneDNN" dnnl_system oneapi/dnnl/dnnl.hpp dnnl)
target_link_libraries(dnnl_system INTERFACE gomp)  # oneDNN's own: its threads are set to one
memseal_library("yaml-cpp" yaml_system yaml-cpp/yaml.h yaml-cpp)
# What memseal-extract reads documents with.
memseal_library("zlib" zlib_system zlib.h z)
memseal_library("expat" expat_system expat.h expat)
memseal_library("ICU" icu_system unicode/ucnv.h icui18n icuuc icudata)
memseal_library("libstemmer" stemmer_system libstemmer.h stemmer)
