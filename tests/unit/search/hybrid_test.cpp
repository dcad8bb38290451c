// Search by vectors and words together, against a twin that knows the words themselves.
#include "base/query_limits.hpp"
#include "rig.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace memseal::search {
namespace {

using Words = std::vector<std::vector<std::string>>;

MatrixOptions with_words() {
  auto options = at_once();
  options.words = true;
  return options;
}

ports::HybridFound ask_hybrid(Rig& rig, const crypto::Tenant& owner,
                              const ports::HybridQuestion& question, std::size_t limit = 24,
                              const ports::SearchFilter& filter = {}) {
  std::optional<ports::HybridFound> found;
  const auto work = [&]() -> asio::awaitable<void> {
    runtime::RequestContext context{"test", runtime::Deadline::never()};
    found = co_await rig.search.hybrid(context, owner, question, limit, filter);
  };
  test::run(work());
  EXPECT_TRUE(found);
  return found.value_or(ports::HybridFound{});
}

/// What the first page must be: BM25 and fusion once more, over the chunks as they are.
std::vector<Uuid> twin(Rig& rig, const crypto::Tenant& owner, const std::vector<float>& vector,
                       const Words& words, std::size_t limit, const ports::SearchFilter& filter) {
  const auto shown = rig.database.snapshot(owner);
  std::map<Uuid, double> score;
  double chunks = 0, mean = 0;
  for (const auto& chunk : shown->chunks) {
    if (!chunk.words || chunk.vector.empty()) continue;
    ++chunks;
    for (const auto& [word, count] : *chunk.words) mean += count;
  }
  mean /= chunks;
  for (const auto& forms : words) {
    double with = 0;
    std::map<Uuid, std::pair<double, double>> counts;  // of the word, of all words
    for (const auto& chunk : shown->chunks) {
      if (!chunk.words || chunk.vector.empty()) continue;
      double tf = 0, length = 0;
      for (const auto& [word, count] : *chunk.words) {
        length += count;
        if (std::find(forms.begin(), forms.end(), word) != forms.end()) tf += count;
      }
      with += tf > 0;
      if (tf > 0) counts[chunk.id] = {tf, length};
    }
    for (const auto& [id, count] : counts)
      score[id] += std::log(1 + (chunks - with + 0.5) / (with + 0.5)) * count.first * 2.2 /
                   (count.first + 1.2 * (0.25 + 0.75 * count.second / mean));
  }
  const auto all = Rig::of(rig.database, owner, vector, 100'000, filter);
  std::vector<std::pair<double, Uuid>> lexical;
  std::set<Uuid> pool;
  for (const auto& row : all) {
    if (pool.size() < 100) pool.insert(row.id);
    if (score.contains(row.id)) lexical.push_back({-std::round(score[row.id] * 1e5), row.id});
  }
  std::sort(lexical.begin(), lexical.end());
  for (std::size_t i = 0; i < std::min<std::size_t>(100, lexical.size()); ++i)
    pool.insert(lexical[i].second);
  std::vector<double> dense_scores, word_scores;
  double turns = 0;
  for (const auto& row : all) {
    if (!pool.contains(row.id)) continue;
    dense_scores.push_back(1 - row.distance);
    word_scores.push_back(score[row.id]);
    turns += row.origin == Origin::chat;
  }
  const double share = turns / static_cast<double>(pool.size()), weight = 0.7 - 0.2 * share;
  const auto spread = [](std::vector<double> scores, double one) {
    std::sort(scores.rbegin(), scores.rend());
    const double least = scores[std::min<std::size_t>(100, scores.size()) - 1];
    return scores[0] > least ? std::max(0.0, (one - least) / (scores[0] - least)) : 0;
  };
  std::vector<std::tuple<double, float, Uuid>> order;
  for (const auto& row : all) {
    if (!pool.contains(row.id)) continue;
    // Rounded, because the service computes in single precision.
    const double sum = weight * spread(dense_scores, 1 - row.distance) +
                       (1 - weight) * spread(word_scores, score[row.id]);
    order.push_back({-std::round(sum * 1e5), row.distance, row.id});
  }
  std::sort(order.begin(), order.end());
  std::vector<Uuid> ids;
  for (const auto& [sum, distance, id] : order)
    if (ids.size() < limit) ids.push_back(id);
  return ids;
}

std::vector<Uuid> ids_of(const ports::HybridFound& found) {
  std::vector<Uuid> ids;
  for (const auto& row : found.rows) ids.push_back(row.id);
  return ids;
}

void put_documents(Rig& rig, const crypto::Tenant& owner, std::size_t count, Random& random) {
  for (std::size_t doc = 0; doc < 5; ++doc)
    rig.database.put(owner, "doc-" + std::to_string(doc), random.chunks(count / 5));
}

Words random_words(Random& random) {
  Words words;
  for (auto count = 1 + random.below(3); count > 0; --count)
    words.push_back({"word" + std::to_string(random.below(8))});
  if (random.below(3) == 0) words.back().push_back("word" + std::to_string(random.below(8)));
  return words;
}

// Two sums may differ by rounding, and two chunks then change places.
void expect_alike(std::vector<Uuid> found, std::vector<Uuid> wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  std::size_t same = 0;
  for (std::size_t i = 0; i < found.size(); ++i) same += found[i] == wanted[i];
  EXPECT_GE(same + 2, found.size());
}

TEST(Hybrid, BothPlansFuseAsTheTwinDoesWhateverIsAsked) {
  for (const std::size_t count : {5u, 40u, 900u}) {
    Rig by_database([] {
      auto options = with_words();
      options.bytes = 0;
      return options;
    }());
    Rig rig(with_words());
    Random random(static_cast<unsigned>(count)), again(static_cast<unsigned>(count));
    const auto owner = tenant("ada");
    put_documents(rig, owner, count, random);
    put_documents(by_database, owner, count, again);
    rig.ask(owner, random.vector());
    again.vector();
    std::vector<ports::SearchFilter> filters(4);
    filters[1].origins = {Origin::chat};
    filters[2].doc_ids = {"doc-1", "doc-2"};
    filters[3].tags_none = {"red"};
    for (const auto& filter : filters)
      for (const std::size_t limit : {1u, 24u, 100u}) {
        const auto vector = random.vector();
        const auto words = random_words(random);
        const auto in_memory = rig.metrics.plan_matrix.Value();
        const auto found = ask_hybrid(rig, owner, {{vector}, words}, limit, filter);
        EXPECT_EQ(rig.metrics.plan_matrix.Value() - in_memory, 1);
        const auto other = ask_hybrid(by_database, owner, {{vector}, words}, limit, filter);
        EXPECT_EQ(ids_of(found), ids_of(other));
        ASSERT_EQ(found.rows.size(), other.rows.size());
        for (std::size_t i = 0; i < found.rows.size(); ++i) {
          EXPECT_EQ(found.rows[i].hybrid->lexical, other.rows[i].hybrid->lexical);
          EXPECT_EQ(found.rows[i].hybrid->fused, other.rows[i].hybrid->fused);
        }
        expect_alike(ids_of(found), twin(rig, owner, vector, words, limit, filter));
      }
    EXPECT_EQ(by_database.metrics.plan_matrix.Value(), 0);
    EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 0);
    EXPECT_EQ(rig.metrics.words_left_out.Value(), 0);
  }
}

TEST(Hybrid, FindsARareNameThatVectorsMiss) {
  Rig rig(with_words());
  Random random(3);
  const auto owner = tenant("ada");
  put_documents(rig, owner, 800, random);
  auto named = random.chunk();
  const auto vector = random.vector();
  named.vector = vector;
  for (auto& value : named.vector) value = -value;  // As far away as can be.
  named.expires_us = ports::MatrixRow::never_us;
  named.words = {{{"zaphod", 1}}};
  rig.database.put(owner, "named", {named});
  for (int round = 0; round < 2; ++round) {  // Without a copy, and with one.
    const auto found = ids_of(ask_hybrid(rig, owner, {{vector}, {{"zaphod"}}}));
    EXPECT_NE(std::find(found.begin(), found.end(), named.id), found.end());
  }
  const auto by_vectors = rig.ask(owner, vector, 100);
  EXPECT_TRUE(std::none_of(by_vectors.begin(), by_vectors.end(),
                           [&](const auto& row) { return row.id == named.id; }));
}

TEST(Hybrid, PagesHoldEachChunkOnce) {
  for (const bool by_matrix : {true, false}) {
    auto options = with_words();
    if (!by_matrix) options.bytes = 0;
    Rig rig(options);
    Random random(9);
    const auto owner = tenant("ada");
    put_documents(rig, owner, 400, random);
    rig.ask(owner, random.vector());
    for (const std::size_t limit : {24u, 100u}) {
      const auto vector = random.vector();
      ports::SearchFilter filter;
      if (limit == 24) filter.tags_none = {"blue"};
      const auto all = Rig::of(rig.database, owner, vector, 10'000, filter);
      ports::HybridQuestion question{{vector}, {{"word0"}, {"word1"}, {"word5"}}};
      std::set<Uuid> shown;
      std::vector<Uuid> left;
      for (int page = 0; page < 200; ++page) {
        question.left = left;
        const auto found = ask_hybrid(rig, owner, question, limit, filter);
        EXPECT_LE(found.rows.size(), limit);
        EXPECT_LE(found.ahead.size(), limits::ahead_max);
        left.clear();
        for (std::size_t i = 0; i < found.rows.size(); ++i) {
          if (i < limit / 2 + 1)
            EXPECT_TRUE(shown.insert(found.rows[i].id).second) << "shown twice";
          else
            left.push_back(found.rows[i].id);
        }
        filter.after = found.last;
        question.ahead = found.ahead;
        if (!found.more && left.empty()) break;
      }
      EXPECT_EQ(shown.size(), all.size());
      filter.after.reset();
    }
    EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 0);
  }
}

TEST(Hybrid, ChangesShowAtOnceInACopy) {
  Rig rig(with_words());
  Random random(21);
  const auto owner = tenant("ada");
  for (int doc = 0; doc < 20; ++doc)
    rig.database.put(owner, "doc-" + std::to_string(doc), random.chunks(20));
  rig.ask(owner, random.vector());
  for (int round = 0; round < 20; ++round) {
    const auto doc = "doc-" + std::to_string(random.below(25));
    if (random.below(4) == 0)
      rig.database.remove(owner, doc);
    else
      rig.database.put(owner, doc, random.chunks(1 + random.below(40)));
    const auto vector = random.vector();
    const auto words = random_words(random);
    expect_alike(ids_of(ask_hybrid(rig, owner, {{vector}, words})),
                 twin(rig, owner, vector, words, 24, {}));
  }
  EXPECT_EQ(rig.metrics.loads_full.Value(), 1);
  EXPECT_EQ(rig.metrics.loads_delta.Value(), 19);
}

TEST(Hybrid, ChunksWithoutTermsAreFoundByTheirVectors) {
  Rig rig(with_words());
  Random random(31);
  const auto owner = tenant("ada");
  auto chunks = random.chunks(60);
  for (auto& chunk : chunks) {
    chunk.words.reset();
    chunk.vector = random.vector();
    chunk.expires_us = ports::MatrixRow::never_us;
  }
  rig.database.put(owner, "old", chunks);
  const auto vector = random.vector();
  const auto wanted = Rig::of(rig.database, owner, vector, 24, {});
  for (int round = 0; round < 2; ++round) {
    const auto found = ask_hybrid(rig, owner, {{vector}, {{"word0"}}});
    ASSERT_EQ(found.rows.size(), 24u);
    for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(found.rows[i].id, wanted[i].id);
    EXPECT_EQ(found.rows[0].hybrid->lexical, 0);
  }
  EXPECT_EQ(rig.metrics.chunks_without_terms.Value(), 60);
}

TEST(Hybrid, ReadsTheTermsOfEveryKeyAndLeavesOutThoseOfNone) {
  Rig rig(with_words());
  Random random(41);
  const auto owner = tenant("ada");
  std::vector<fakes::MemoryChunk> chunks = random.chunks(30);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    chunks[i].words = {{{"name", 1}}};
    chunks[i].words_key = 1 + i % 3;
    chunks[i].vector = random.vector();
    chunks[i].expires_us = ports::MatrixRow::never_us;
  }
  rig.database.put(owner, "doc", chunks);
  rig.keys.forgotten = {3};
  for (int round = 0; round < 3; ++round) {
    const auto found = ask_hybrid(rig, owner, {{random.vector()}, {{"name"}}}, 30);
    ASSERT_EQ(found.rows.size(), 30u);
    std::size_t with = 0;
    for (const auto& row : found.rows) with += row.hybrid->lexical > 0;
    EXPECT_EQ(with, 20u);
  }
  EXPECT_GT(rig.metrics.blocks_unopened.Value(), 0);
  EXPECT_EQ(rig.metrics.loads_full.Value(), 1);
}

TEST(Hybrid, ALargeUserWithoutACopyIsAskedByVectors) {
  auto options = with_words();
  options.bytes = 0;
  options.words_chunks_max = 50;
  Rig rig(options);
  Random random(51);
  const auto owner = tenant("ada");
  put_documents(rig, owner, 100, random);
  const auto vector = random.vector();
  const auto found = ask_hybrid(rig, owner, {{vector}, {{"word0"}}});
  const auto wanted = Rig::of(rig.database, owner, vector, 24, {});
  ASSERT_EQ(found.rows.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(found.rows[i].id, wanted[i].id);
    EXPECT_FALSE(found.rows[i].hybrid);
  }
  EXPECT_EQ(rig.database.blocks_read, 0u);
  EXPECT_EQ(rig.metrics.words_left_out.Value(), 1);
}

// The fault of isolation that the design excludes: a copy is read from another tenant's rows.
TEST(Hybrid, ACopyOfAnotherTenantsRowsIsDroppedAndAnswersNothing) {
  Rig rig(with_words());
  Random random(61);
  const auto ada = tenant("ada"), eve = tenant("eve");
  put_documents(rig, ada, 100, random);
  put_documents(rig, eve, 100, random);
  rig.ask(eve, random.vector());
  rig.database.reads_of.emplace(eve, ada);
  const auto vector = random.vector();
  const auto found = ask_hybrid(rig, eve, {{vector}, {{"word0"}}});
  rig.database.reads_of.clear();
  const auto own = rig.database.snapshot(eve);
  for (const auto& row : found.rows)
    EXPECT_TRUE(std::any_of(own->chunks.begin(), own->chunks.end(),
                            [&](const auto& chunk) { return chunk.id == row.id; }));
  EXPECT_FALSE(found.rows.empty());
  EXPECT_EQ(rig.metrics.evicted_wrong.Value(), 1);
}

TEST(Hybrid, IsOffWhereItIsTurnedOff) {
  auto options = at_once();
  options.words = false;
  Rig rig(options);
  Random random(71);
  const auto owner = tenant("ada");
  put_documents(rig, owner, 100, random);
  std::optional<ports::HybridFound> found = ports::HybridFound{};
  const auto work = [&]() -> asio::awaitable<void> {
    runtime::RequestContext context{"test", runtime::Deadline::never()};
    ports::HybridQuestion question{{random.vector()}, {{"word0"}}};
    const ports::SearchFilter all;
    found = co_await rig.search.hybrid(context, owner, question, 24, all);
  };
  test::run(work());
  EXPECT_FALSE(found);
  EXPECT_EQ(rig.database.blocks_read, 0u);
  EXPECT_EQ(rig.keys.opened, 0);
}

}  // namespace
}  // namespace memseal::search
