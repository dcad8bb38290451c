// A tenant's texts are sealed again under a new key while they are read and written.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/erasure_listener.hpp"
#include "adapters/postgres/person_store.hpp"
#include "adapters/postgres/sealed_rows.hpp"
#include "cases/lifecycle/reseal.hpp"
#include "pure/crypto/document_name.hpp"
#include "support/pg.hpp"
#include "support/pg_keys.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace memseal::test {
namespace {

using lifecycle::ResealKey;

constexpr std::size_t shown = 24;

std::string text_of(const std::string& doc, std::int32_t index) {
  return doc + " says " + std::to_string(index);
}

/// One process: its own connections, its own cache of keys, and ears for what others do.
class Process {
 public:
  Process(const std::string& dsn, const crypto::Keyring& keyring)
      : pool_({.dsn = dsn, .connections = 2}, pg_metrics_),
        own(pool_, keyring),
        ids(keyring.id_deriver()),
        ears_(dsn, pg_metrics_,
              {.erased =
                   [this](const UserHash& hash) {
                     own.keys.forget(keyer_.tenant_of_hash(hash));
                     ++heard;
                   },
               .missed = [this] { own.keys.forget_all(); }}) {}

  /// Writes a document of so many chunks with a name.
  asio::awaitable<void> write(crypto::Tenant owner, std::string doc, std::int32_t chunks) {
    const auto key = co_await own.keys.sealing_key(step(), owner);
    const ChunkSpec spec{.doc_id = doc};
    auto event = event_of(spec);
    const crypto::SealBinding place{crypto::document_object(ids, owner, doc), doc, 0};
    event.document_name_cipher =
        crypto::Sealer::seal(owner, *key, crypto::Field::document_name, place, bytes_of(doc))
            .value();
    for (std::int32_t index = 0; index < chunks; ++index) {
      crypto::ChunkHeader header{.id = ids.chunk_id(owner, event.doc_id, 1, index),
                                 .doc_id = event.doc_id,
                                 .origin = Origin::upload,
                                 .chunk_index = index,
                                 .model = "test-model"};
      const auto vector = unit_vector(static_cast<unsigned>(index), dimension);
      const auto text = text_of(doc, index);
      // Every other chunk has no meta.
      const crypto::ChunkPlain plain{text, index % 2 ? R"({"a":1})" : "", vector};
      event.chunks.push_back(
          crypto::Sealer::seal(owner, *key, std::move(header), plain).value());
    }
    std::vector<ports::EventWrite> writes;
    writes.push_back(std::move(event));
    const auto stored = co_await store_.store(step(), owner, std::move(writes));
    EXPECT_EQ(stored.at(0), ports::Stored::applied);
  }

  /// Asks a question and opens what is found. Returns how many chunks opened to their own text.
  asio::awaitable<std::size_t> read(crypto::Tenant owner, unsigned question, std::size_t limit) {
    std::size_t opened = 0;
    const ports::QueryVector vector{unit_vector(question, dimension)};
    const ports::SearchFilter everything;
    auto found = co_await search_.nearest(step(), owner, vector, limit, everything);
    for (auto& row : found) {
      const auto id = crypto::Sealer::key_id_of(row.text_cipher).value();
      const auto key = co_await own.keys.opening_key(step(), owner, id);
      if (!key) continue;
      const auto expected = text_of(row.doc_id, row.chunk_index);
      const auto passage = crypto::Sealer::open(owner, *key, std::move(row));
      opened += passage && passage->text() == expected ? 1 : 0;
    }
    co_return opened;
  }

  asio::awaitable<lifecycle::ResealReport> reseal(crypto::Tenant owner, ResealKey key,
                                                  std::function<void(std::int64_t)> progress = {}) {
    const lifecycle::ResealDeps deps{sealed_, own.keys, ids, step, std::move(progress)};
    co_return co_await lifecycle::reseal_tenant(deps, owner, key);
  }

  static runtime::RequestContext step() {
    return {"test", runtime::Deadline::after(std::chrono::seconds(30))};
  }
  static constexpr std::size_t dimension = 16;

 private:
  runtime::Metrics metrics_;
  postgres::PostgresMetrics pg_metrics_{metrics_};
  const crypto::TenantKeyer keyer_{SecretBytes(Bytes(32, 1))};
  postgres::Pool pool_;

 public:
  std::atomic<int> heard = 0;
  ProcessKeys own;
  const crypto::IdDeriver ids;

 private:
  postgres::PgChunkStore store_{pool_};
  postgres::PgChunkSearch search_{pool_};
  postgres::PgSealedRows sealed_{pool_};
  const postgres::ErasureListener ears_;
};

class Reseal : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    owner_ = new_tenant();
    process_ = std::make_unique<Process>(database_->app_dsn(), keyring_);
  }
  void TearDown() override {
    process_.reset();
    MigratedPgTest::TearDown();
  }
  std::string look(const std::string& what) {
    return database_->super("SELECT count(*) FROM app." + what + " AND user_hash = '" +
                            owner_->hash().to_hex() + "'");
  }
  void expect_all_under(std::uint32_t key) {
    const auto four = "'\\x0000000" + std::to_string(key) + "'";
    EXPECT_EQ(look("memory_chunks WHERE substring(text_cipher FROM 2 FOR 4) <> " + four), "0");
    EXPECT_EQ(look("memory_chunks WHERE substring(meta_cipher FROM 2 FOR 4) <> " + four), "0");
    EXPECT_EQ(look("documents WHERE substring(name_cipher FROM 2 FOR 4) <> " + four), "0");
  }

  const crypto::Keyring keyring_ =
      crypto::Keyring::from_keys(std::string(63, '1') + "a", std::string(63, '2') + "a", "")
          .value();
  std::optional<crypto::Tenant> owner_;
  std::unique_ptr<Process> process_;
};

TEST_F(Reseal, NoReadAndNoWriteFailsMeanwhile) {
  await(process_->write(*owner_, "first", 450));
  std::atomic<bool> over = false;
  std::atomic<int> reads = 0, written = 0, failures = 0;
  const auto worker = [&](unsigned number, bool writes) {
    asio::io_context loop(1);  // one for all rounds: it must outlive what the pool's threads do
    Process mine(database_->app_dsn(), keyring_);
    for (int round = 0; !over; ++round) {
      const auto once = [&]() -> asio::awaitable<void> {
        if (writes) {
          const auto doc = "later-" + std::to_string(round);
          co_await mine.write(*owner_, doc, 3);
        } else {
          const auto question = number + static_cast<unsigned>(round);
          const auto opened = co_await mine.read(*owner_, question, shown);
          if (opened != shown) ++failures;
        }
      };
      try {
        run_to_end(loop, once());
      } catch (const std::exception& failed) {
        ++failures;
        ADD_FAILURE() << failed.what();
      }
      ++(writes ? written : reads);
    }
  };
  std::vector<std::thread> workers;
  for (unsigned number = 0; number < 3; ++number) workers.emplace_back(worker, number, number == 2);
  const auto wait_for_more = [&] {
    const int seen = reads, stored = written;
    while (reads < seen + 5 || written < stored + 3)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  wait_for_more();
  const auto done = await(process_->reseal(*owner_, ResealKey::fresh));
  EXPECT_EQ(done.key_id, 2u);
  EXPECT_GE(done.texts, 450);
  EXPECT_GE(done.names, 1);
  EXPECT_EQ(done.unopened, 0);
  wait_for_more();
  over = true;
  for (auto& each : workers) each.join();
  EXPECT_EQ(failures, 0);
  // What was under way when the key ended may have come behind the last round.
  EXPECT_EQ(await(process_->reseal(*owner_, ResealKey::current)).key_id, 2u);
  expect_all_under(2);
  const auto all = static_cast<std::size_t>(450 + 3 * written);
  EXPECT_EQ(await(process_->read(*owner_, 1, all)), all);
}

TEST_F(Reseal, GoesOnAfterAKillAndLeavesWhatDoesNotOpen) {
  await(process_->write(*owner_, "doc", 450));
  const auto beside_the_ciphers = [&] {
    return database_->super(
        "SELECT md5(string_agg(concat(id, doc_id, embedding, tags, source, created_at, expires_at, "
        "char_start, char_end, model), ',' ORDER BY id)) FROM app.memory_chunks "
        "WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  };
  const auto before = beside_the_ciphers();
  const auto dies = [](std::int64_t chunks) {
    if (chunks >= 200) throw std::runtime_error("killed");
  };
  EXPECT_THROW(await(process_->reseal(*owner_, ResealKey::fresh, dies)), std::runtime_error);
  EXPECT_EQ(await(process_->read(*owner_, 1, 450)), 450u) << "both keys are there";
  const auto mine = " WHERE user_hash = '" + owner_->hash().to_hex() + "'";
  database_->super("UPDATE app.memory_chunks SET text_cipher = text_cipher || '\\x00'" + mine +
                   " AND id = (SELECT id FROM app.memory_chunks" + mine +
                   " AND substring(text_cipher FROM 2 FOR 4) = '\\x00000001' "
                   "AND meta_cipher IS NULL LIMIT 1)");
  const auto done = await(process_->reseal(*owner_, ResealKey::current));
  EXPECT_EQ(done.key_id, 2u);
  EXPECT_EQ(done.texts, 249);
  EXPECT_EQ(done.unopened, 1);
  EXPECT_EQ(done.left, 1);
  EXPECT_EQ(await(process_->read(*owner_, 1, 450)), 449u);
  EXPECT_EQ(look("tenants WHERE seals >= 675"), "1") << "449 texts, 225 metas, a name";
  EXPECT_EQ(beside_the_ciphers(), before) << "what copies in memory hold stays";
}

TEST_F(Reseal, EveryProcessStopsSealingWithTheEndedKey) {
  Process other(database_->app_dsn(), keyring_);
  EXPECT_EQ(await(other.own.keys.sealing_key(context_, *owner_))->id, 1u);
  await(process_->own.keys.begin_generation(context_, *owner_));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (other.heard == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(await(other.own.keys.sealing_key(context_, *owner_))->id, 2u)
      << "its cache would have kept the first key for five minutes";
}

// As behind a pooler, where no process hears that the key ended.
TEST_F(Reseal, CountsWhatAnOldKeyGoesOnSealing) {
  await(process_->write(*owner_, "doc", 3));
  const auto row = "doc_id = 'doc' AND chunk_index = 0 AND user_hash = '" +
                   owner_->hash().to_hex() + "'";
  const auto old =
      database_->super("SELECT encode(text_cipher, 'hex') FROM app.memory_chunks WHERE " + row);
  const auto writes = [&](std::int64_t) {
    database_->super("UPDATE app.memory_chunks SET text_cipher = '\\x" + old + "' WHERE " + row);
  };
  const auto done = await(process_->reseal(*owner_, ResealKey::fresh, writes));
  EXPECT_GT(done.texts, 3);
  EXPECT_EQ(done.unopened, 0);
  EXPECT_EQ(done.left, 1);
}

TEST_F(Reseal, MakesNobodyAndBringsNobodyBack) {
  EXPECT_EQ(outage_of(process_->reseal(*owner_, ResealKey::fresh)), Errc::not_found);
  await(process_->write(*owner_, "doc", 1));
  postgres::PgPersonStore people(*pool_);
  (void)await(people.bury(context_, *owner_, 100));
  EXPECT_EQ(outage_of(process_->reseal(*owner_, ResealKey::fresh)), Errc::tenant_erased);
  EXPECT_EQ(look("tenant_keys WHERE true"), "0");
}

}  // namespace
}  // namespace memseal::test
