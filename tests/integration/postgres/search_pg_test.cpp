#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "support/pg.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace memseal::test {
namespace {

using crypto::SealedCandidate;

class Search : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    search_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
  }

  void store(const crypto::Tenant& owner, const std::vector<ChunkSpec>& specs) {
    postgres::PgChunkStore store(*pool_);
    std::map<std::string, ports::EventWrite> writes;
    for (const auto& spec : specs) {
      auto& write = writes.try_emplace(spec.doc_id, event_of(spec)).first->second;
      write.chunks.push_back(sealed_chunk(owner, spec, dimension));
    }
    std::vector<ports::EventWrite> list;
    for (auto& [doc, write] : writes) list.push_back(std::move(write));
    for (const auto answer : await(store.store(context_, owner, std::move(list)))) {
      ASSERT_EQ(answer, ports::Stored::applied);
    }
  }

  static std::vector<ChunkSpec> document(const std::string& doc, int chunks, unsigned seed) {
    std::vector<ChunkSpec> specs;
    for (int index = 0; index < chunks; ++index) {
      ChunkSpec spec;
      spec.doc_id = doc;
      spec.index = index;
      spec.vector_seed = seed + static_cast<unsigned>(index);
      specs.push_back(spec);
    }
    return specs;
  }

  std::vector<SealedCandidate> nearest(const crypto::Tenant& owner, unsigned query_seed,
                                       std::size_t limit, ports::SearchFilter filter = {}) {
    return await(search_->nearest(context_, owner, {unit_vector(query_seed, dimension)}, limit,
                                  std::move(filter)));
  }

  // A session reports what it has counted when it ends.
  void close_pool() {
    search_.reset();
    pool_.reset();
    const std::string sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_user' AND datname = '" +
        database_->name() + "'";
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (database_->super(sessions) != "0")
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "a session stays";
  }

  static float cosine_distance(const std::vector<float>& a, const std::vector<float>& b) {
    return 1 - std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
  }

  std::unique_ptr<postgres::PgChunkSearch> search_;
};

TEST_F(Search, FindsNothingForANewTenant) { EXPECT_TRUE(nearest(new_tenant(), 1, 24).empty()); }

TEST_F(Search, HandsBackTheRowStillSealedAndItOpens) {
  const auto owner = new_tenant();
  ChunkSpec spec;
  spec.text = "the text";
  spec.tags = {"a", "b c"};
  spec.vector_seed = 5;
  store(owner, {spec});
  auto found = nearest(owner, 5, 24);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(found[0].distance, 0, 1e-3);
  EXPECT_EQ(found[0].tags, spec.tags);
  EXPECT_EQ(found[0].doc_id, "doc");
  EXPECT_EQ(found[0].origin, Origin::upload);
  EXPECT_GT(found[0].created_at_ms, 1'600'000'000'000);
  const auto passage = crypto::Sealer::open(owner, test_key(), std::move(found[0]));
  ASSERT_TRUE(passage) << passage.error().message;
  EXPECT_EQ(passage->text(), "the text");
  EXPECT_EQ(passage->meta_json(), R"({"a":1})");
}

TEST_F(Search, ReturnsMinOfLimitAndCountNearestFirstAsBruteForceDoes) {
  const auto crowd = new_tenant();
  store(crowd, document("noise", 400, 1));
  for (const int count : {1, 2, 23, 24, 25, 300}) {
    const auto owner = new_tenant();
    const unsigned seed = 10'000u + static_cast<unsigned>(count) * 1'000;
    store(owner, document("doc", count, seed));
    for (unsigned query = 1; query <= 5; ++query) {
      const auto found = nearest(owner, query, 24);
      ASSERT_EQ(found.size(), static_cast<std::size_t>(std::min(count, 24)));
      std::vector<float> all;
      for (int index = 0; index < count; ++index) {
        all.push_back(cosine_distance(unit_vector(query, dimension),
                                      unit_vector(seed + static_cast<unsigned>(index), dimension)));
      }
      std::sort(all.begin(), all.end());
      for (std::size_t rank = 0; rank < found.size(); ++rank) {
        EXPECT_NEAR(found[rank].distance, all[rank], 2e-3) << count << " rank " << rank;
      }
    }
  }
}

TEST_F(Search, RecallIsOneAgainstBruteForceInTheDatabase) {
  const auto owner = new_tenant();
  store(owner, document("doc", 500, 50'000));
  for (unsigned query = 1; query <= 20; ++query) {
    const auto vector = unit_vector(query, dimension);
    std::string text = "[";
    for (const float value : vector) text += (text.size() > 1 ? "," : "") + std::to_string(value);
    pqxx::connection session(database_->super_dsn());
    pqxx::nontransaction tx(session);
    std::set<std::string> wanted, got;
    for (const auto& row : tx.exec("SELECT id FROM app.memory_chunks WHERE user_hash = '" +
                                   owner.hash().to_hex() + "' ORDER BY embedding <=> '" + text +
                                   "]' LIMIT 24")) {
      wanted.insert(row[0].c_str());
    }
    for (const auto& hit : nearest(owner, query, 24)) got.insert(hit.id.to_string());
    EXPECT_EQ(got, wanted) << query;
  }
}

TEST_F(Search, IsNotDisturbedByAnotherTenantsFlood) {
  const auto owner = new_tenant();
  store(owner, document("doc", 40, 70'000));
  const auto ids = [&] {
    std::vector<std::string> list;
    for (const auto& hit : nearest(owner, 3, 24)) list.push_back(hit.id.to_string());
    return list;
  };
  const auto before = ids();
  ASSERT_EQ(before.size(), 24u);
  auto flood = document("flood", 800, 3);
  for (auto& spec : flood) spec.vector_seed = 3;  // each right at the query
  store(new_tenant(), flood);
  EXPECT_EQ(ids(), before);
}

TEST_F(Search, FiltersBySourceTagsAndDocuments) {
  const auto owner = new_tenant();
  std::vector<ChunkSpec> specs;
  for (int number = 0; number < 60; ++number) {
    ChunkSpec spec;
    spec.doc_id = "doc-" + std::to_string(number % 6);
    spec.origin = number % 6 < 3 ? Origin::chat : Origin::upload;
    spec.index = number;
    spec.vector_seed = static_cast<unsigned>(number) + 900;
    if (number % 2) spec.tags.push_back("odd, really");
    if (number % 3 == 0) spec.tags.push_back("three");
    specs.push_back(spec);
  }
  store(owner, specs);
  const auto count = [&](ports::SearchFilter filter) {
    return nearest(owner, 1, 100, std::move(filter)).size();
  };
  ports::SearchFilter filter;
  EXPECT_EQ(count(filter), 60u);
  filter.origins = {Origin::chat};
  EXPECT_EQ(count(filter), 30u);
  filter.tags = {"odd, really"};
  EXPECT_EQ(count(filter), 10u);  // chat: documents 0, 1, 2; odd: document 1
  filter = {};
  filter.tags = {"odd, really", "three"};
  EXPECT_EQ(count(filter), 10u);
  filter = {};
  filter.doc_ids = {"doc-1", "doc-5", "absent"};
  EXPECT_EQ(count(filter), 20u);
  for (const auto& hit : nearest(owner, 1, 5, filter)) {
    EXPECT_TRUE(hit.doc_id == "doc-1" || hit.doc_id == "doc-5");
  }
  filter.origins = {Origin::api};
  EXPECT_EQ(count(filter), 0u);
  filter.origins = {Origin::upload, Origin::api};
  EXPECT_EQ(count(filter), 10u) << "document 5: what is called doc-1 is a conversation";
}

TEST_F(Search, LeavesOutWhatHasExpired) {
  const auto owner = new_tenant();
  auto specs = document("doc", 3, 400);
  specs[0].expires_at_ms = 1'000'000;
  specs[1].expires_at_ms = 4'000'000'000'000;
  store(owner, specs);
  EXPECT_EQ(nearest(owner, 1, 24).size(), 2u);
}

TEST_F(Search, LeavesOutRowsWithoutAVector) {
  const auto owner = new_tenant();
  store(owner, document("doc", 3, 400));
  database_->super("UPDATE app.memory_chunks SET embedding = NULL WHERE chunk_index = 1 AND "
                   "user_hash = '" + owner.hash().to_hex() + "'");
  EXPECT_EQ(nearest(owner, 1, 24).size(), 2u);
}

// The server counts what the statement that search itself sends has read: every row of the tenant
// once by an index, and then the best ones by their place alone, which no index counts.
TEST_F(Search, ReadsTheTenantsRowsByIndexOnceAndNoOthers) {
  const auto owner = new_tenant();
  store(owner, document("doc", 300, 400));
  store(new_tenant(), document("doc", 300, 800));
  database_->super("ANALYZE app.memory_chunks");
  close_pool();
  ports::SearchFilter uploads;
  uploads.origins = {Origin::upload};
  for (const auto& filter : {ports::SearchFilter{}, uploads}) {
    database_->super("SELECT pg_stat_reset()");
    pool_ = make_pool(1);
    search_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
    EXPECT_EQ(nearest(owner, 1, 24, filter).size(), 24u);
    close_pool();
    EXPECT_EQ(database_->super("SELECT seq_scan FROM pg_stat_user_tables "
                               "WHERE relid = 'app.memory_chunks'::regclass"),
              "0");
    EXPECT_EQ(database_->super("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes "
                               "WHERE relid = 'app.memory_chunks'::regclass"),
              "300");
  }
}

TEST_F(Search, RefusesAVectorOfAnotherDimension) {
  const auto owner = new_tenant();
  store(owner, document("doc", 1, 1));
  ports::QueryVector wrong{unit_vector(1, dimension + 1)};
  EXPECT_EQ(outage_of(search_->nearest(context_, owner, wrong, 24, {})), Errc::dimension_mismatch);
  EXPECT_EQ(nearest(owner, 1, 24).size(), 1u);
  EXPECT_EQ(counts_.connects.Value(), 1) << "an answered error costs no connection";
}

TEST_F(Search, ALimitOfNoneAsksNobody) {
  EXPECT_TRUE(nearest(new_tenant(), 1, 0).empty());
  EXPECT_EQ(counts_.connects.Value(), 0);
}

}  // namespace
}  // namespace memseal::test
