// The plan in memory over a real database: the rows, distances and order of the plan in SQL.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/matrix_store.hpp"
#include "adapters/postgres/person_store.hpp"
#include "cases/search/matrix_search.hpp"
#include "support/pg.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <future>
#include <thread>

namespace memseal::test {
namespace {

search::MatrixOptions at_once() {
  search::MatrixOptions options;
  options.chunks_min = 1;
  options.kept_at_least = options.small_for = options.unfit_for = std::chrono::milliseconds(0);
  return options;
}

class Matrix : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    context_.deadline = runtime::Deadline::after(std::chrono::minutes(5));
    exact_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
    store_ = std::make_unique<postgres::PgMatrixStore>(*pool_);
    set_up_search(at_once());
  }
  void set_up_search(search::MatrixOptions options) {
    search_ = std::make_unique<search::MatrixSearch>(*exact_, *store_, seen_, options);
  }
  void TearDown() override {
    search_.reset();
    MigratedPgTest::TearDown();
  }

  std::vector<ports::Stored> write(const crypto::Tenant& owner,
                                   std::vector<ports::EventWrite> writes) {
    postgres::PgChunkStore store(*pool_);
    return await(store.store(context_, owner, std::move(writes)));
  }
  /// Writes documents of these chunks, each by an event of its own.
  void write(const crypto::Tenant& owner, const std::vector<ChunkSpec>& specs) {
    std::map<std::string, ports::EventWrite> by_document;
    for (const auto& spec : specs) {
      auto& event = by_document.try_emplace(spec.doc_id, event_of(spec)).first->second;
      event.chunks.push_back(sealed_chunk(owner, spec, dimension));
    }
    std::vector<ports::EventWrite> list;
    for (auto& [doc, event] : by_document) list.push_back(std::move(event));
    for (const auto answer : write(owner, std::move(list)))
      ASSERT_EQ(answer, ports::Stored::applied);
  }
  void erase_document(const crypto::Tenant& owner, const ChunkSpec& spec,
                      std::optional<std::int64_t> before_ms = {}) {
    auto event = event_of(spec);
    event.revision = 1'000'000;
    event.deletion = ports::Deletion{before_ms};
    event.by_arrival.emplace();
    std::vector<ports::EventWrite> list;
    list.push_back(std::move(event));
    ASSERT_EQ(write(owner, std::move(list)).at(0), ports::Stored::applied);
  }
  /// Chunks of eight documents and conversations, at random.
  static std::vector<ChunkSpec> random_specs(int count, unsigned seed, std::int64_t revision = 1) {
    std::mt19937 random(seed);
    std::vector<ChunkSpec> specs;
    for (int i = 0; i < count; ++i) {
      ChunkSpec spec;
      const auto doc = random() % 8;
      spec.doc_id = "doc-" + std::to_string(doc);
      spec.origin = doc < 3 ? Origin::chat : doc < 6 ? Origin::upload : Origin::api;
      spec.index = i;
      spec.revision = revision;
      spec.vector_seed = random() % 10 == 0 ? 77 : seed * 100'000 + static_cast<unsigned>(i);
      for (const char* tag : {"red", "a \"quoted\", one", "blue"})
        if (random() % 3 == 0) spec.tags.emplace_back(tag);
      spec.created_at_ms = 1'700'000'000'000 + random() % 1'000;
      if (random() % 15 == 0) spec.expires_at_ms = random() % 2 ? 1'000'000 : 4'000'000'000'000;
      specs.push_back(spec);
    }
    return specs;
  }

  std::vector<crypto::SealedCandidate> ask(ports::ChunkSearch& plan, const crypto::Tenant& owner,
                                           unsigned query_seed, std::size_t limit = 24,
                                           ports::SearchFilter filter = {}) {
    ports::QueryVector query{unit_vector(query_seed, dimension)};
    return await(plan.nearest(context_, owner, std::move(query), limit, std::move(filter)));
  }
  std::vector<crypto::SealedCandidate> expect_same(const crypto::Tenant& owner,
                                                   unsigned query_seed, std::size_t limit = 24,
                                                   const ports::SearchFilter& filter = {},
                                                   bool by_matrix = true) {
    const auto before = seen_.plan_matrix.Value();
    const auto found = ask(*search_, owner, query_seed, limit, filter);
    EXPECT_EQ(seen_.plan_matrix.Value() - before, by_matrix ? 1 : 0);
    const auto wanted = ask(*exact_, owner, query_seed, limit, filter);
    EXPECT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
      EXPECT_EQ(found[i].id, wanted[i].id) << i;
      EXPECT_EQ(found[i].distance, wanted[i].distance) << i;
      EXPECT_EQ(found[i].text_cipher, wanted[i].text_cipher) << i;
      EXPECT_EQ(found[i].meta_cipher, wanted[i].meta_cipher) << i;
      EXPECT_EQ(found[i].tags, wanted[i].tags) << i;
      EXPECT_EQ(found[i].created_at_ms, wanted[i].created_at_ms) << i;
    }
    return found;
  }
  std::string version(const crypto::Tenant& owner) {
    return database_->super("SELECT version FROM app.tenants WHERE user_hash = '" +
                            owner.hash().to_hex() + "'");
  }

  search::SearchMetrics seen_{metrics_};
  std::unique_ptr<postgres::PgChunkSearch> exact_;
  std::unique_ptr<postgres::PgMatrixStore> store_;
  std::unique_ptr<search::MatrixSearch> search_;
};

std::vector<ports::SearchFilter> every_filter(const std::vector<crypto::SealedCandidate>& some) {
  std::vector<ports::SearchFilter> all(13);
  all[1].origins = {Origin::chat};
  all[2].tags = {"red", "a \"quoted\", one"};
  all[3].tags_any = {"blue", "absent"};
  all[4].tags_none = {"a \"quoted\", one"};
  all[5].doc_ids = {"doc-1", "doc-7", "absent"};
  all[6].exclude = {"doc-0", "doc-5"};
  all[7].after_ms = 1'700'000'000'300;
  all[8].before_ms = 1'700'000'000'700;
  for (const auto& row : some) all[9].ids.push_back(row.id);
  all[10].without_texts = true;
  all[11].origins = {Origin::upload};
  all[12].origins = {Origin::upload, Origin::api};
  all[11].tags_any = {"red"};
  all[11].after_ms = 1'700'000'000'100;
  all[11].exclude = {"doc-4"};
  return all;
}

TEST_F(Matrix, AnswersAsTheStatementDoesWhateverIsAsked) {
  for (const int count : {1, 5, 33, 200, 5'000}) {
    const auto owner = new_tenant();
    write(owner, random_specs(count, static_cast<unsigned>(count)));
    const auto some = ask(*search_, owner, 1, 5);
    unsigned query = 100;
    for (const auto& filter : every_filter(some)) {
      expect_same(owner, ++query, 100, filter);
      auto paged = filter;
      for (int page = 0; page < (count > 1'000 ? 1 : 3); ++page) {
        const auto shown = expect_same(owner, 77, 7, paged);
        if (shown.empty()) break;
        paged.after = ports::SearchPlace{shown.back().distance, shown.back().id};
      }
    }
  }
  EXPECT_EQ(seen_.loads_full.Value(), 5);
  EXPECT_EQ(seen_.evicted_wrong.Value(), 0);
}

TEST_F(Matrix, EveryWriteMovesTheVersionAndIsSeenAtOnce) {
  const auto owner = new_tenant();
  write(owner, random_specs(300, 3));
  ask(*search_, owner, 1);
  expect_same(owner, 2);
  std::string before = version(owner);
  unsigned query = 10;
  const auto expect_moved = [&](const char* what) {
    const auto now = version(owner);
    EXPECT_NE(now, before) << what;
    before = now;
    expect_same(owner, ++query);
    expect_same(owner, 77, 100);
  };
  ChunkSpec document{.doc_id = "doc-5"}, chat{.doc_id = "doc-1", .origin = Origin::chat};
  write(owner, random_specs(40, 5, 2));
  expect_moved("replaced and appended");
  write(owner, random_specs(40, 5, 3));
  expect_moved("as many chunks as before");
  erase_document(owner, chat, 1'700'000'000'500);
  expect_moved("some turns deleted");
  erase_document(owner, document);
  expect_moved("a document deleted");
  for (const auto& row : ask(*search_, owner, 1, 100)) EXPECT_NE(row.doc_id, "doc-5");
  EXPECT_EQ(seen_.loads_full.Value(), 1);
  EXPECT_EQ(seen_.loads_delta.Value(), 4);

  // A program that knows nothing of the version moves it too.
  database_->super("UPDATE app.tenants SET seals = seals + 1 WHERE user_hash = '" +
                   owner.hash().to_hex() + "'");
  expect_same(owner, 1);
  EXPECT_EQ(seen_.loads_delta.Value(), 5);
}

TEST_F(Matrix, AnErasedTenantIsDroppedAtItsNextQuestion) {
  const auto owner = new_tenant();
  write(owner, random_specs(100, 7));
  ask(*search_, owner, 1);
  expect_same(owner, 2);
  EXPECT_EQ(seen_.tenants.Value(), 1);
  postgres::PgPersonStore people(*pool_);
  (void)await(people.bury(context_, owner, 1'000));
  EXPECT_TRUE(ask(*search_, owner, 1).empty());
  EXPECT_EQ(seen_.tenants.Value(), 0);
  EXPECT_EQ(seen_.bytes.Value(), 0);
}

TEST_F(Matrix, RowsWrittenByHandAreLeftToTheStatement) {
  const auto owner = new_tenant();
  write(owner, random_specs(50, 9));
  ask(*search_, owner, 1);
  expect_same(owner, 2);
  const auto mine = " WHERE user_hash = '" + owner.hash().to_hex() + "'";
  database_->super("DELETE FROM app.memory_chunks" + mine + " AND doc_id = 'doc-4'");
  expect_same(owner, 77, 50, {}, false);
  EXPECT_EQ(seen_.evicted_wrong.Value(), 1);
  expect_same(owner, 3, 24, {}, false);
  database_->super("UPDATE app.tenants SET chunk_count = (SELECT count(*) FROM app.memory_chunks" +
                   mine + ")" + mine);
  expect_same(owner, 4, 50, {}, true);
}

// What a snapshot gives for the ids of another tenant, whoever names them.
TEST_F(Matrix, IdsOfAnotherTenantFetchNothing) {
  const auto ada = new_tenant(), bob = new_tenant();
  write(ada, random_specs(30, 11));
  write(bob, random_specs(30, 13));
  ports::MatrixChoice choice{.ids = {}, .limit = 100};
  for (const auto& row : ask(*exact_, bob, 1, 100)) choice.ids.push_back(row.id);
  ASSERT_GT(choice.ids.size(), 20u);
  const ports::QueryVector query{unit_vector(1, dimension)};
  const auto fetched = [&](const crypto::Tenant& owner) {
    auto found = std::make_shared<std::size_t>(0);
    std::function<void(ports::MatrixRows&)> work = [=](ports::MatrixRows& rows) {
      *found = rows.fetch(query, choice).size();
    };
    await(store_->in_snapshot(context_, owner, std::move(work)));
    return *found;
  };
  EXPECT_EQ(fetched(bob), choice.ids.size());
  EXPECT_EQ(fetched(ada), 0u);
}

// Two tenants whose copies push each other out, while both write.
TEST_F(Matrix, RacesUnderEvictionKeepTenantsApart) {
  auto options = at_once();
  options.bytes = 60'000;
  pool_ = make_pool(4);
  search_.reset();
  exact_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
  store_ = std::make_unique<postgres::PgMatrixStore>(*pool_);
  set_up_search(options);
  const crypto::Tenant owners[]{new_tenant(), new_tenant()};
  for (int which = 0; which < 2; ++which)
    for (int doc = 0; doc < 3; ++doc) {
      auto specs = random_specs(100, static_cast<unsigned>(20 + which * 3 + doc));
      for (auto& spec : specs) {
        spec.doc_id = "of " + std::to_string(which) + " " + std::to_string(doc);
        spec.origin = Origin::upload;
        spec.expires_at_ms.reset();
      }
      write(owners[which], specs);
    }
  std::atomic<int> wrong = 0;
  const auto ask_many = [&](int which, unsigned seed) {
    asio::io_context loop(1);
    postgres::PgChunkStore store(*pool_);
    const auto work = [&]() -> asio::awaitable<void> {
      for (unsigned round = 1; round <= 40; ++round) {
        if (round % 8 == 0) {
          ChunkSpec spec{.doc_id = "of " + std::to_string(which) + " new", .revision = round};
          spec.vector_seed = seed + round;
          std::vector<ports::EventWrite> list;
          list.push_back(event_of(spec));
          list[0].chunks.push_back(sealed_chunk(owners[which], spec, dimension));
          co_await store.store(context_, owners[which], std::move(list));
        }
        ports::QueryVector query{unit_vector(seed + round, dimension)};
        const ports::SearchFilter all;
        const auto found = co_await search_->nearest(context_, owners[which], query, 24, all);
        bool sound = found.size() == 24;
        for (const auto& row : found)
          sound = sound && row.doc_id.starts_with("of " + std::to_string(which));
        if (!sound) ++wrong;
      }
    };
    auto done = asio::co_spawn(loop, work(), asio::use_future);
    loop.run();
    done.get();
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 4; ++i)
      threads.emplace_back(ask_many, static_cast<int>(i % 2), 1'000 * (i + 1));
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(seen_.plan_matrix.Value(), 10);
  EXPECT_EQ(seen_.evicted_wrong.Value(), 0);
  EXPECT_LE(seen_.bytes.Value(), 60'000);
}

}  // namespace
}  // namespace memseal::test
