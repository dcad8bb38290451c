#pragma once
// Databases for tests: each PgTest suite gets a fresh, migrated one in the scratch cluster that
// MEMSEAL_TEST_PG_SUPER names (a superuser's DSN; `scripts/stack env` prints it). What a service
// would do runs as app_user; the superuser only inspects the rows and causes faults.
#include "adapters/postgres/migrate.hpp"
#include "adapters/postgres/pool.hpp"
#include "base/limits.hpp"
#include "ports/chunk_store.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "support/run_loop.hpp"

#include <gtest/gtest.h>
#include <postgresql/libpq-fe.h>
#include <pqxx/pqxx>

#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace memseal::test {

namespace asio = boost::asio;

/// The superuser's DSN with some of its settings changed, as "key='value' …".
inline std::string dsn_with(const std::map<std::string, std::string>& changes) {
  const char* super = std::getenv("MEMSEAL_TEST_PG_SUPER");
  std::map<std::string, std::string> settings;
  PQconninfoOption* options = PQconninfoParse(super ? super : "", nullptr);
  for (auto* option = options; option && option->keyword; ++option) {
    if (option->val) settings[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  for (const auto& [key, value] : changes) settings[key] = value;
  std::string dsn;
  for (const auto& [key, value] : settings) {
    dsn += key + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') dsn += '\\';
      dsn += c;
    }
    dsn += "' ";
  }
  return dsn;
}

/// Password of the superuser's DSN; app_user gets the same one in a scratch cluster.
inline std::string super_password() {
  std::string password;
  PQconninfoOption* options = PQconninfoParse(std::getenv("MEMSEAL_TEST_PG_SUPER"), nullptr);
  for (auto* option = options; option && option->keyword; ++option) {
    if (std::string_view(option->keyword) == "password" && option->val) password = option->val;
  }
  PQconninfoFree(options);
  return password;
}

inline const char* migrations_dir() { return MEMSEAL_SOURCE_DIR "/config/migrations"; }

/// A database of one suite's own; the destructor drops it.
class TestDatabase {
 public:
  explicit TestDatabase(std::size_t dimension = 384) : dimension_(dimension) {
    static int count = 0;
    name_ = "memseal_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    admin("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    admin("CREATE DATABASE " + name_ + " TEMPLATE template0 ENCODING 'UTF8'");
  }
  ~TestDatabase() {
    try {
      admin("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    } catch (const std::exception& failed) {
      ADD_FAILURE() << "database " << name_ << " was not dropped: " << failed.what();
    }
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& name() const { return name_; }
  std::string super_dsn() const { return dsn_with({{"dbname", name_}}); }
  std::string app_dsn() const { return dsn_with({{"dbname", name_}, {"user", "app_user"}}); }
  postgres::MigrateOptions options() const {
    postgres::MigrateOptions options;
    options.dsn = super_dsn();
    options.directory = migrations_dir();
    options.dimension = dimension_;
    options.app_user_password = super_password();
    return options;
  }
  /// Runs SQL as the superuser. Returns the first value as text.
  std::string super(const std::string& sql) const {
    pqxx::connection session(super_dsn());
    pqxx::nontransaction tx(session);
    const auto rows = tx.exec(sql);
    return rows.empty() || rows.columns() == 0 ? "" : rows[0][0].c_str();
  }

 private:
  static void admin(const std::string& sql) {
    pqxx::connection session(dsn_with({}));
    pqxx::nontransaction tx(session);
    tx.exec("SET client_min_messages = warning");
    tx.exec(sql);
  }

  std::size_t dimension_;
  std::string name_;
};

/// Base of every suite that needs PostgreSQL. Skips with the reason where there is none.
class PgTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("MEMSEAL_TEST_PG_SUPER")) {
      GTEST_SKIP() << "MEMSEAL_TEST_PG_SUPER is not set: run `scripts/stack up` and "
                      "`eval \"$(scripts/stack env)\"` first";
    }
  }

  template <class T>
  T await(asio::awaitable<T> work) {
    std::optional<T> value;
    run_to_end(loop_, kept(std::move(work), value));
    if (!value) throw std::runtime_error("the work did not end in time");
    return std::move(*value);
  }
  void await(asio::awaitable<void> work) { run_to_end(loop_, std::move(work)); }

  /// Code of the Failure that `work` throws.
  template <class T>
  std::optional<Errc> outage_of(asio::awaitable<T> work) {
    try {
      if constexpr (std::is_void_v<T>) await(std::move(work));
      else (void)await(std::move(work));
    } catch (const Failure& failed) {
      return failed.error().code;
    }
    return std::nullopt;
  }

  asio::io_context loop_{1};

 private:
  template <class T>
  static asio::awaitable<void> kept(asio::awaitable<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }
};

/// A PgTest whose suite has one migrated database and a pool on it as app_user.
class MigratedPgTest : public PgTest {
 protected:
  static constexpr std::size_t dimension = 16;

  static void SetUpTestSuite() {
    if (!std::getenv("MEMSEAL_TEST_PG_SUPER")) return;
    database_ = std::make_unique<TestDatabase>(dimension);
    const auto report = postgres::migrate_up(database_->options());
    ASSERT_TRUE(report) << report.error().message;
  }
  static void TearDownTestSuite() { database_.reset(); }

  void SetUp() override {
    PgTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(database_);
    pool_ = make_pool(2);
  }
  void TearDown() override { pool_.reset(); }

  std::unique_ptr<postgres::Pool> make_pool(std::size_t connections, std::size_t waiting = 256) {
    postgres::PoolOptions options;
    options.dsn = database_->app_dsn();
    options.connections = connections;
    options.waiting_max = waiting;
    return std::make_unique<postgres::Pool>(std::move(options), counts_);
  }

  /// A tenant that no other test has.
  crypto::Tenant new_tenant() { return tenant("user-" + std::to_string(++users_)); }
  static crypto::Tenant tenant(const std::string& user) {
    static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 0x5a)));
    return keyer.tenant_of(UserId::parse(user).value());
  }

  static inline std::unique_ptr<TestDatabase> database_;
  static inline int users_ = 0;
  runtime::Metrics metrics_;
  postgres::PostgresMetrics counts_{metrics_};
  std::unique_ptr<postgres::Pool> pool_;
  runtime::RequestContext context_{"test", runtime::Deadline::after(std::chrono::seconds(30))};
};

/// A unit vector that depends on `seed` alone.
inline std::vector<float> unit_vector(unsigned seed, std::size_t dimension) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(dimension);
  float square = 0;
  for (auto& value : values) {
    value = normal(random);
    square += value * value;
  }
  for (auto& value : values) value /= std::sqrt(square);
  return values;
}

inline crypto::TenantKey test_key() { return {1, SecretBytes(Bytes(32, 0x77))}; }

struct ChunkSpec {
  std::string doc_id = "doc";
  Origin origin = Origin::upload;
  std::int64_t revision = 1;
  std::int32_t index = 0;
  std::string text = "some text";
  std::vector<std::string> tags = {};
  std::optional<std::int64_t> expires_at_ms = {};
  unsigned vector_seed = 1;
  std::optional<std::int64_t> created_at_ms = {};
  std::string meta_json = R"({"a":1})";
  std::optional<Uuid> embed_mac = {};
};

/// A sealed chunk as ingest would make it.
inline crypto::SealedChunk sealed_chunk(const crypto::Tenant& owner, const ChunkSpec& spec,
                                        std::size_t dimension) {
  static const crypto::IdDeriver ids(SecretBytes(Bytes(32, 0x33)));
  const auto doc = DocId::parse(spec.doc_id).value();
  crypto::ChunkHeader header{.id = ids.chunk_id(owner, doc, spec.revision, spec.index),
                             .doc_id = doc,
                             .origin = spec.origin,
                             .chunk_index = spec.index,
                             .char_end = static_cast<std::int32_t>(spec.text.size()),
                             .tags = spec.tags,
                             .model = "test-model",
                             .expires_at_ms = spec.expires_at_ms,
                             .created_at_ms = spec.created_at_ms,
                             .embed_mac = spec.embed_mac};
  const auto vector = unit_vector(spec.vector_seed, dimension);
  const crypto::ChunkPlain plain{spec.text, spec.meta_json, vector};
  return crypto::Sealer::seal(owner, test_key(), std::move(header), plain).value();
}

/// A new event of `spec`'s document, without chunks.
inline ports::EventWrite event_of(const ChunkSpec& spec) {
  return {.event_id = crypto::random_uuid(),
          .origin = spec.origin,
          .doc_id = DocId::parse(spec.doc_id).value(),
          .revision = spec.revision};
}

}  // namespace memseal::test
