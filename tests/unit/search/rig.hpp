#pragma once
#include "cases/search/matrix_search.hpp"
#include "fakes/matrix_store.hpp"
#include "support/run_loop.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace memseal::search {

inline constexpr std::size_t rig_dimension = 24;

inline crypto::Tenant tenant(const std::string& user) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 0x5a)));
  return keyer.tenant_of(UserId::parse(user).value());
}

/// Chunks at random, of a thread of its own.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::size_t below(std::size_t count) { return engine_() % count; }
  Uuid id() {
    Uuid made;
    for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(engine_());
    return made;
  }
  std::vector<float> vector() {
    std::normal_distribution<float> normal;
    std::vector<float> values(rig_dimension);
    float square = 0;
    for (auto& value : values) {
      value = normal(engine_);
      square += value * value;
    }
    for (auto& value : values) value /= std::sqrt(square);
    return fakes::halved(std::move(values));
  }
  /// Some chunks are equal, some have no vector, some expire; tags and times vary.
  fakes::MemoryChunk chunk() {
    fakes::MemoryChunk made{.id = id(), .doc_id = {}};
    made.origin = origins[below(origins.size())];
    made.created_us = static_cast<std::int64_t>(below(1'000)) * 1'000;
    if (below(10) == 0) made.expires_us = static_cast<std::int64_t>(below(2'000'000));
    for (const char* tag : {"red", "green", "blue"})
      if (below(3) == 0) made.tags.emplace_back(tag);
    if (below(20) != 0) made.vector = below(12) == 0 ? twin_ : vector();
    // Word 0 is in every other chunk, word 7 in a few.
    made.words.emplace();
    for (std::size_t word = 0; word < 8; ++word)
      if (below(2 + word * word) == 0)
        (*made.words)["word" + std::to_string(word)] = 1 + static_cast<std::uint32_t>(below(3));
    if (below(30) == 0 || made.vector.empty()) made.words.reset();
    return made;
  }
  std::vector<fakes::MemoryChunk> chunks(std::size_t count) {
    std::vector<fakes::MemoryChunk> made;
    while (made.size() < count) made.push_back(chunk());
    return made;
  }

 private:
  std::mt19937 engine_;
  std::vector<float> twin_ = vector();
};

/// Options under which each tenant has a copy from its second question on.
inline MatrixOptions at_once() {
  MatrixOptions options;
  options.bytes = std::size_t{64} << 20;
  options.chunks_min = 1;
  options.kept_at_least = std::chrono::milliseconds(0);
  options.unfit_for = options.small_for = std::chrono::milliseconds(0);
  return options;
}

struct Rig {
  explicit Rig(MatrixOptions options = at_once())
      : search(database, database, metrics, options, &keys) {
    database.keeps_words = options.words;
  }

  std::vector<crypto::SealedCandidate> ask(const crypto::Tenant& owner,
                                           const std::vector<float>& query, std::size_t limit = 24,
                                           ports::SearchFilter filter = {}) {
    return of(search, owner, query, limit, std::move(filter));
  }
  static std::vector<crypto::SealedCandidate> of(ports::ChunkSearch& plan,
                                                 const crypto::Tenant& owner,
                                                 const std::vector<float>& query,
                                                 std::size_t limit, ports::SearchFilter filter) {
    std::vector<crypto::SealedCandidate> found;
    const auto work = [&]() -> asio::awaitable<void> {
      ports::QueryVector vector{query};
      runtime::RequestContext context{"test", runtime::Deadline::never()};
      found = co_await plan.nearest(context, owner, std::move(vector), limit, filter);
    };
    test::run(work());
    return found;
  }
  /// Whether the plan in memory answered, with what the database would.
  void expect_same(const crypto::Tenant& owner, const std::vector<float>& query, std::size_t limit,
                   const ports::SearchFilter& filter, bool by_matrix = true) {
    const auto before = metrics.plan_matrix.Value();
    const auto found = ask(owner, query, limit, filter);
    EXPECT_EQ(metrics.plan_matrix.Value() - before, by_matrix ? 1 : 0);
    const auto wanted = of(database, owner, query, limit, filter);
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].id, wanted[i].id) << i;
      ASSERT_EQ(found[i].distance, wanted[i].distance) << i;
    }
  }

  runtime::Metrics all;
  SearchMetrics metrics{all};
  fakes::MatrixDatabase database;
  fakes::TenantKeys keys;
  MatrixSearch search;
};

}  // namespace memseal::search
