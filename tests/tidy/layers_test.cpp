// The layering as a test: an include points down, or stays in its room. A room is a folder below
// src/ (see ARCHITECTURE.md, and docs/architecture.svg, which is drawn from the same includes).
#include "sources.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

namespace memseal::tidy {
namespace {

using Names = std::vector<std::string>;

// The law: what a room may include besides itself. A name stands for the room and all below it.
// The longest matching name on the left decides. Every line names only rooms above it in this list,
// so the includes make no circle.
struct Rule {
  std::string room;
  Names may_include;
};

const std::vector<Rule>& law() {
  static const std::vector<Rule> rules{
      {"base", {}},
      {"kernels", {}},
      {"extract", {}},
      {"pure/codec", {"base"}},
      {"pure/text", {"base", "pure/codec"}},
      {"pure/crypto", {"base", "pure/codec"}},
      {"pure/audit", {"base", "pure/codec", "pure/crypto"}},
      {"pure/policy", {"base"}},
      {"pure/lexical", {"base", "pure/codec"}},
      {"pure/matrix", {"base"}},
      {"pure/wire", {"base", "pure/codec"}},
      {"pure/producers", {"base", "pure/codec", "pure/crypto", "pure/wire"}},
      {"pure/trace", {"base", "pure/codec"}},
      {"runtime", {"base", "pure/trace"}},
      {"ports", {"base", "pure/audit", "pure/crypto", "runtime"}},
      {"cases/ingest", {"base", "pure", "runtime", "ports"}},
      {"cases/index", {"base", "pure/crypto", "pure/wire", "runtime", "ports"}},
      {"cases/rerank", {"base", "pure/policy", "runtime", "ports"}},
      {"cases/search",
       {"base", "pure/codec", "pure/crypto", "pure/lexical", "pure/matrix", "runtime", "ports"}},
      {"cases/query",
       {"base", "pure/crypto", "pure/policy", "pure/text", "pure/wire", "runtime", "ports",
        "cases/rerank"}},
      {"cases/inference",
       {"base", "pure/text", "pure/policy", "runtime", "ports", "cases/rerank"}},
      {"cases/knowledge", {"base", "pure/codec", "pure/crypto", "runtime", "ports"}},
      {"cases/person", {"base", "pure/codec", "pure/crypto", "runtime", "ports"}},
      {"cases/lifecycle", {"base", "pure", "runtime", "ports"}},
      {"cases/auditing", {"base", "pure/audit", "runtime", "ports"}},
      {"cases/guard", {"base", "pure/codec", "pure/policy", "runtime"}},
      {"cases/canary",
       {"base", "pure/codec", "pure/crypto", "pure/policy", "runtime", "ports", "cases/guard"}},
      {"adapters/kafka", {"base", "pure", "runtime", "ports"}},
      {"adapters/postgres", {"base", "pure", "runtime", "ports"}},
      {"adapters/haproxy", {"base", "pure/codec", "ports"}},
      {"adapters/redis", {"base", "pure", "runtime", "ports"}},
      {"adapters/files", {"base", "pure", "runtime", "ports"}},
      {"adapters/extractor", {"base", "extract", "pure", "runtime", "ports"}},
      {"adapters/http_client", {"base", "pure/codec", "runtime"}},
      {"adapters/openai", {"base", "pure", "runtime", "ports", "adapters/http_client"}},
      {"adapters/otlp", {"base", "pure", "runtime", "adapters/http_client"}},
      {"adapters/model/checkpoint", {"base", "pure"}},
      {"adapters/model/encoder", {"base", "pure", "adapters/model/checkpoint"}},
      {"adapters/model/hub", {"base", "pure"}},
      {"adapters/model/cpu", {"base", "adapters/model/checkpoint", "adapters/model/encoder"}},
      {"adapters/model/gpu",
       {"base", "kernels", "pure", "runtime", "adapters/model/checkpoint",
        "adapters/model/encoder"}},
      {"adapters/model/schedule",
       {"base", "kernels", "pure", "runtime", "ports", "adapters/model/checkpoint",
        "adapters/model/encoder", "adapters/model/gpu"}},
      {"adapters/model",
       {"base", "kernels", "pure", "runtime", "ports", "adapters/model/checkpoint",
        "adapters/model/encoder", "adapters/model/cpu", "adapters/model/gpu",
        "adapters/model/schedule"}},
      {"http/server", {"base", "pure", "runtime"}},
      {"http/routes", {"base", "pure", "runtime", "ports", "cases", "http/server"}},
      {"app/config", {"base", "pure", "runtime", "ports", "cases", "adapters", "http"}},
      {"app/service",
       {"base", "pure", "runtime", "ports", "cases", "adapters", "http", "app/config"}},
      {"app/cli",
       {"base", "kernels", "pure", "runtime", "ports", "cases", "adapters", "http", "app/config",
        "app/service"}}};
  return rules;
}

bool covers(const std::string& name, const std::string& room) {
  return room == name || room.starts_with(name + "/");
}

const Rule* rule_of(const std::string& room) {
  const Rule* best = nullptr;
  for (const auto& rule : law())
    if (covers(rule.room, room) && (best == nullptr || rule.room.size() > best->room.size()))
      best = &rule;
  return best;
}

// Which rooms may include which library, by the first words of the header's name.
const std::map<std::string, Names>& library_homes() {
  static const std::map<std::string, Names> homes{
      {"openssl/", {"pure/crypto", "adapters/http_client"}},
      {"libstemmer.h", {"pure/text"}},
      {"librdkafka/", {"adapters/kafka"}},
      {"pqxx/", {"adapters/postgres"}},
      {"libpq", {"adapters/postgres"}},
      {"hiredis/", {"adapters/redis"}},
      {"oneapi/dnnl/", {"adapters/model"}},
      {"omp.h", {"adapters/model"}},
      {"zlib.h", {"extract"}},
      {"expat.h", {"extract"}},
      {"unicode/", {"extract"}},
      {"cuda", {"kernels"}},
      {"cublas", {"kernels"}},
      {"boost/beast", {"http", "adapters/http_client"}},
      {"prometheus/", {"runtime"}},
      {"spdlog/", {"runtime"}},
      {"yaml-cpp/", {"app"}},
      {"CLI/", {"app"}},
      {"boost/asio", {"runtime", "ports", "cases", "adapters", "http", "app"}}};
  return homes;
}

TEST(Layers, EveryRoomIsInTheLaw) {
  for (const auto& source : product_sources())
    if (!source.room().empty()) {
      EXPECT_NE(rule_of(source.room()), nullptr) << source.path;
    }
}

TEST(Layers, ARuleNamesOnlyRoomsAboveIt) {
  for (std::size_t i = 0; i < law().size(); ++i)
    for (const auto& name : law()[i].may_include) {
      bool known = name == law()[i].room;
      for (std::size_t j = 0; j < i && !known; ++j) known = covers(name, law()[j].room);
      EXPECT_TRUE(known) << law()[i].room << " names " << name;
      for (std::size_t j = i + 1; j < law().size(); ++j)
        EXPECT_FALSE(covers(name, law()[j].room)) << law()[i].room << " names " << name;
    }
}

TEST(Layers, AnIncludePointsDownOrStaysInItsRoom) {
  std::size_t checked = 0;
  for (const auto& source : product_sources()) {
    const auto from = source.room();
    if (from.empty()) continue;
    const auto* rule = rule_of(from);
    ASSERT_NE(rule, nullptr) << source.path;
    for (const auto& line : source.lines) {
      const auto to = room_of_include(included(line));
      if (to.empty()) continue;
      ++checked;
      const bool allowed =
          to == from || std::any_of(rule->may_include.begin(), rule->may_include.end(),
                                    [&](const auto& name) { return covers(name, to); });
      EXPECT_TRUE(allowed) << source.path << " must not include " << included(line);
    }
  }
  EXPECT_GT(checked, 500u);
}

TEST(Layers, WhatIsInternalIsIncludedByItsRoomOnly) {
  std::size_t checked = 0;
  for (const auto& source : product_sources())
    for (const auto& line : source.lines) {
      const auto header = included(line);
      if (header.find("/internal/") == std::string::npos) continue;
      ++checked;
      EXPECT_EQ(room_of_include(header), source.room()) << source.path << ": " << line;
    }
  EXPECT_GT(checked, 50u);
}

// One way to name a header of ours, so that the path shows the layer.
TEST(Layers, AnIncludeNamesThePathBelowSrc) {
  for (const auto& source : sources_under({"src"}))
    for (const auto& line : source.lines) {
      if (line.find("#include \"") == std::string::npos) continue;
      const auto header = included(line);
      EXPECT_TRUE(header.find('/') != std::string::npos && !room_of_include(header).empty())
          << source.path << ": " << line;
    }
}

TEST(Layers, ALibraryIsIncludedInItsHomeOnly) {
  for (const auto& source : product_sources())
    for (const auto& line : source.lines)
      for (const auto& [library, homes] : library_homes()) {
        if (!included(line).starts_with(library)) continue;
        EXPECT_TRUE(std::any_of(homes.begin(), homes.end(),
                                [&](const auto& home) { return source.is_in(home); }))
            << source.path << ": " << line;
      }
}

// Headers that other rooms include. A room's own headers may hold what they wrap.
TEST(Layers, HeavyLibrariesStayOutOfHeaders) {
  const std::vector<std::string> heavy{
      "boost/beast", "boost/json", "pqxx/", "librdkafka/", "hiredis/",        "oneapi/",
      "openssl/",    "yaml-cpp/",  "CLI/",  "cuda",        "memseal/kernels/"};
  for (const auto& source : sources_under({"src"})) {
    if (!source.is_header() || source.path.find("/internal/") != std::string::npos) continue;
    // These folders are the inside of one module: only the module includes their headers.
    if (source.room() != "adapters/model" && source.is_in("adapters/model")) continue;
    if (source.is_in("http") || source.is_in("app") || source.is_in("pure/codec")) continue;
    for (const auto& line : source.lines)
      for (const auto& library : heavy)
        EXPECT_FALSE(included(line).starts_with(library)) << source.path << ": " << line;
  }
}

// A program that uses the library has neither our headers nor our dependencies'.
TEST(Layers, APublicHeaderIncludesTheStandardLibraryOnly) {
  std::size_t checked = 0;
  for (const auto& source : sources_under({"include"}))
    for (const auto& line : source.lines) {
      const auto header = included(line);
      if (header.empty()) continue;
      ++checked;
      EXPECT_EQ(header.find_first_of("./"), std::string::npos) << source.path << ": " << line;
    }
  EXPECT_GT(checked, 3u);
}

TEST(Layers, KernelsIncludeNothingOfOursButThemselves) {
  for (const auto& source : sources_under({"kernels"})) {
    if (source.path.starts_with("kernels/check/")) continue;  // with memseal's own model loader
    for (const auto& line : source.lines) {
      const auto to = room_of_include(included(line));
      EXPECT_TRUE(to.empty() || to == "kernels") << source.path << ": " << line;
    }
  }
}

}  // namespace
}  // namespace memseal::tidy
