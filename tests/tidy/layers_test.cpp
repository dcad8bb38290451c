// The layering as a test: an include points down or stays in its module (see ARCHITECTURE.md).
#include "sources.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

namespace memseal::tidy {
namespace {

using Names = std::set<std::string>;

// What a module may include besides itself and base.
const std::map<std::string, Names>& may_include() {
  static const Names pure{};
  static const Names adapters{"ports", "runtime", "text", "crypto", "policy", "wire"};
  static const std::map<std::string, Names> law{
      {"base", pure},
      {"kernels", pure},
      {"text", pure},
      {"crypto", pure},
      {"policy", pure},
      {"wire", pure},
      {"runtime", pure},
      {"ports", {"runtime", "crypto"}},
      {"kafka", adapters},
      {"postgres", adapters},
      {"redis", adapters},
      {"model", {"kernels", "ports", "runtime", "text", "crypto", "policy", "wire"}},
      {"remote", adapters},
      {"ingest", {"ports", "runtime", "text", "crypto", "policy", "wire"}},
      {"query", {"ports", "runtime", "text", "crypto", "policy", "wire"}},
      {"http", {"query", "ports", "runtime", "text", "crypto", "policy", "wire"}},
      {"app",
       {"http", "query", "ingest", "kafka", "postgres", "redis", "model", "remote", "ports",
        "runtime", "text", "crypto", "policy", "wire"}}};
  return law;
}

// Which module may include which library, by the first words of the header's name.
const std::map<std::string, Names>& library_homes() {
  static const std::map<std::string, Names> homes{
      {"openssl/", {"crypto", "remote"}},
      {"librdkafka/", {"kafka"}},
      {"pqxx/", {"postgres"}},
      {"libpq", {"postgres"}},
      {"hiredis/", {"redis"}},
      {"oneapi/dnnl/", {"model"}},
      {"omp.h", {"model"}},
      {"cuda", {"kernels"}},
      {"cublas", {"kernels"}},
      {"boost/beast", {"http", "remote"}},
      {"prometheus/", {"runtime"}},
      {"spdlog/", {"runtime"}},
      {"yaml-cpp/", {"app"}},
      {"CLI/", {"app"}},
      {"boost/asio",
       {"runtime", "ports", "kafka", "postgres", "redis", "model", "remote", "ingest", "query",
        "http", "app"}}};
  return homes;
}

std::string included(const std::string& line) {
  static const std::regex form(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::smatch found;
  return std::regex_search(line, found, form) ? found[1].str() : "";
}

TEST(Layers, EveryModuleIsInTheLaw) {
  for (const auto& source : product_sources())
    if (!source.module().empty()) {
      EXPECT_TRUE(may_include().contains(source.module())) << source.path;
    }
}

TEST(Layers, AnIncludePointsDownOrStaysInItsModule) {
  std::size_t checked = 0;
  for (const auto& source : product_sources()) {
    const auto from = source.module();
    if (from.empty()) continue;
    for (const auto& line : source.lines) {
      const auto header = included(line);
      if (!header.starts_with("memseal/")) continue;
      const auto rest = header.substr(8);
      const auto to = rest.substr(0, rest.find('/'));
      ++checked;
      EXPECT_TRUE(to == from || to == "base" || may_include().at(from).contains(to))
          << source.path << " must not include " << header;
    }
  }
  EXPECT_GT(checked, 100u);
}

TEST(Layers, ALibraryIsIncludedInItsHomeOnly) {
  for (const auto& source : product_sources())
    for (const auto& line : source.lines)
      for (const auto& [library, homes] : library_homes()) {
        if (!included(line).starts_with(library)) continue;
        EXPECT_TRUE(homes.contains(source.module())) << source.path << ": " << line;
      }
}

TEST(Layers, HeavyLibrariesStayOutOfHeaders) {
  for (const auto& source : sources_under({"include"}))
    for (const auto& line : source.lines)
      for (const std::string heavy :
           {"boost/beast", "boost/json", "pqxx/", "librdkafka/", "hiredis/", "oneapi/", "openssl/",
            "yaml-cpp/", "CLI/", "cuda", "memseal/kernels/"})
        EXPECT_FALSE(included(line).starts_with(heavy)) << source.path << ": " << line;
}

TEST(Layers, KernelsIncludeNothingOfOursButThemselves) {
  for (const auto& source : sources_under({"kernels"}))
    for (const auto& line : source.lines)
      EXPECT_TRUE(!included(line).starts_with("memseal/") ||
                  included(line).starts_with("memseal/kernels/"))
          << source.path << ": " << line;
}

}  // namespace
}  // namespace memseal::tidy
