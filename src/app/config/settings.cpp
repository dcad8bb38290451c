// The one table of settings, joined from the rows of the modules.
#include "app/config/config.hpp"

#include <algorithm>
#include <array>

namespace memseal::app {

namespace {

constexpr std::array section_table{
    Section{"http", "The listeners"},
    Section{"auth", "Bearer tokens"},
    Section{"postgres", "PostgreSQL"},
    Section{"kafka", "Events in and out"},
    Section{"files", "The files of users, and where they lie"},
    Section{"redis", "Redis, which processes share for the rate limit"},
    Section{"ratelimit", "The rate limit of each user"},
    Section{"model", "What computes the models"},
    Section{"embedding", "The embedder"},
    Section{"search", "Search"},
    Section{"rerank", "The reranker"},
    Section{"guard", "What the service does about its own guardrails"},
    Section{"audit", "The log of who read or changed what"},
    Section{"seal", "The root keys"},
    Section{"chunk", "How documents are cut"},
    Section{"runtime", "Threads and shutdown"},
    Section{"log", "The log"}};

std::ptrdiff_t place_of(std::string_view key) {
  const auto name = key.substr(0, key.find('.'));
  return std::ranges::find(section_table, name, &Section::name) - section_table.begin();
}

template <class Part, class Projection>
void join(SettingRows<Config>& all, Projection part) {
  for (const auto& row : Part::rows()) all.push_back(setting::lift<Config>(row, part));
}

SettingRows<Config> join_all() {
  SettingRows<Config> all;
  join<http::Settings>(all, [](Config& config) -> auto& { return config.http; });
  join<crypto::AuthSettings>(all, [](Config& config) -> auto& { return config.auth; });
  join<postgres::DatabaseSettings>(all, [](Config& config) -> auto& { return config.postgres; });
  join<ingest::Settings>(all, [](Config& config) -> auto& { return config.kafka; });
  join<kafka::Settings>(all, [](Config& config) -> auto& { return config.kafka; });
  join<files::Settings>(all, [](Config& config) -> auto& { return config.files; });
  join<extractor::Settings>(all, [](Config& config) -> auto& { return config.files; });
  join<knowledge::Settings>(all, [](Config& config) -> auto& { return config.files; });
  join<redis::Settings>(all, [](Config& config) -> auto& { return config.redis; });
  join<redis::RateLimitSettings>(all, [](Config& config) -> auto& { return config.ratelimit; });
  join<model::DeviceSettings>(all, [](Config& config) -> auto& { return config.model; });
  join<model::EmbedderSettings>(all, [](Config& config) -> auto& { return config.embedding; });
  join<openai::Settings>(all, [](Config& config) -> auto& { return config.embedding; });
  join<search::Settings>(all, [](Config& config) -> auto& { return config.search; });
  join<rerank::Settings>(all, [](Config& config) -> auto& { return config.rerank; });
  join<model::RerankerSettings>(all, [](Config& config) -> auto& { return config.rerank; });
  join<guard::Settings>(all, [](Config& config) -> auto& { return config.guard; });
  join<auditing::Settings>(all, [](Config& config) -> auto& { return config.audit; });
  join<crypto::SealSettings>(all, [](Config& config) -> auto& { return config.seal; });
  join<text::ChunkSettings>(all, [](Config& config) -> auto& { return config.chunk; });
  join<runtime::LoopSettings>(all, [](Config& config) -> auto& { return config.runtime; });
  join<model::PoolSettings>(all, [](Config& config) -> auto& { return config.runtime; });
  join<http::DrainSettings>(all, [](Config& config) -> auto& { return config.runtime; });
  join<runtime::ReleaseSettings>(all, [](Config& config) -> auto& { return config.runtime; });
  join<runtime::LogSettings>(all, [](Config& config) -> auto& { return config.log; });
  // Stable, because the rows of a module stand in an order that reads well.
  std::ranges::stable_sort(all, {}, [](const auto& row) { return place_of(row.key); });
  return all;
}

}  // namespace

std::span<const Section> sections() { return section_table; }

const SettingRows<Config>& settings() {
  static const auto all = join_all();
  return all;
}

}  // namespace memseal::app
