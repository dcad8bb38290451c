#pragma once
// A scratch database in the cluster that MEMSEAL_TEST_PG_SUPER names, and rows for it.
#include "adapters/postgres/migrate.hpp"
#include "adapters/postgres/pool.hpp"
#include "base/limits.hpp"
#include "ports/chunk_store.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <postgresql/libpq-fe.h>
#include <pqxx/pqxx>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace memseal::bench {

namespace asio = boost::asio;

/// The cluster's address; null if the environment names none.
inline const char* super_dsn_or_null() { return std::getenv("MEMSEAL_TEST_PG_SUPER"); }

inline std::map<std::string, std::string> super_settings() {
  std::map<std::string, std::string> settings;
  PQconninfoOption* options = PQconninfoParse(super_dsn_or_null(), nullptr);
  for (auto* option = options; option && option->keyword; ++option) {
    if (option->val) settings[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  return settings;
}

inline std::string dsn_of(const std::map<std::string, std::string>& settings) {
  std::string dsn;
  for (const auto& [key, value] : settings) dsn += key + "='" + value + "' ";
  return dsn;
}

/// A program of PostgreSQL, from the server's own directory if that is known.
inline std::string pg_program(const std::string& name) {
  const char* bin = std::getenv("MEMSEAL_TEST_PG_BIN");
  return bin ? std::string(bin) + "/" + name : name;
}

/// Runs a shell command; throws when it fails.
inline void run_command(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

/// Creates and migrates the database; drops it at the end.
class BenchDatabase {
 public:
  explicit BenchDatabase(std::size_t dimension)
      : name_("memseal_bench_" + std::to_string(::getpid())) {
    admin("CREATE DATABASE " + name_ + " TEMPLATE template0 ENCODING 'UTF8'");
    postgres::MigrateOptions options;
    options.dsn = super_dsn();
    options.directory = std::filesystem::path(MEMSEAL_SOURCE_DIR) / "config/migrations";
    options.dimension = dimension;
    options.app_user_password = super_settings()["password"];
    postgres::migrate_up(options).value();
  }
  ~BenchDatabase() { admin("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)"); }
  BenchDatabase(const BenchDatabase&) = delete;
  BenchDatabase& operator=(const BenchDatabase&) = delete;

  std::string super_dsn() const {
    auto settings = super_settings();
    settings["dbname"] = name_;
    return dsn_of(settings);
  }
  std::string app_dsn() const {
    auto settings = super_settings();
    settings["dbname"] = name_;
    settings["user"] = "app_user";
    return dsn_of(settings);
  }
  void super(const std::string& sql) const {
    pqxx::connection session(super_dsn());
    pqxx::nontransaction tx(session);
    tx.exec(sql);
  }

 private:
  static void admin(const std::string& sql) {
    pqxx::connection session(super_dsn_or_null());
    pqxx::nontransaction tx(session);
    tx.exec(sql);
  }

  std::string name_;
};

/// One connection to the database, as the service has them.
struct BenchPool {
  explicit BenchPool(const BenchDatabase& database)
      : pool({.dsn = database.app_dsn(), .connections = 1}, counts) {}

  runtime::Metrics metrics;
  postgres::PostgresMetrics counts{metrics};
  postgres::Pool pool;
};

/// A temporary directory. The destructor removes it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "memseal-bench-XXXXXX";
    if (!::mkdtemp(name.data())) throw std::runtime_error("no scratch directory");
    path_ = name;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline crypto::Tenant bench_tenant(const std::string& user) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
  return keyer.tenant_of(UserId::parse(user).value());
}

inline std::vector<float> random_unit_vector(std::mt19937& random, std::size_t dimension) {
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

inline const crypto::TenantKey& bench_key() {
  static const crypto::TenantKey key{1, SecretBytes(Bytes(32, 3))};
  return key;
}

/// An upload of `chunks` chunks of this text each, sealed as ingest would.
inline ports::EventWrite sealed_upload(const crypto::Tenant& owner, const std::string& doc_id,
                                       int chunks, const std::string& text, std::size_t dimension,
                                       std::mt19937& random,
                                       const crypto::TenantKey& key = bench_key()) {
  static const crypto::IdDeriver ids(SecretBytes(Bytes(32, 2)));
  const auto doc = DocId::parse(doc_id).value();
  ports::EventWrite write{
      .event_id = crypto::random_uuid(), .origin = Origin::upload, .doc_id = doc, .revision = 1};
  for (int index = 0; index < chunks; ++index) {
    crypto::ChunkHeader header{.id = ids.chunk_id(owner, doc, 1, index),
                               .doc_id = doc,
                               .origin = Origin::upload,
                               .chunk_index = index,
                               .char_end = static_cast<std::int32_t>(text.size()),
                               .model = "all-MiniLM-L6-v2"};
    const auto vector = random_unit_vector(random, dimension);
    const crypto::ChunkPlain plain{text, R"({"name":"a document","page":1})", vector};
    write.chunks.push_back(crypto::Sealer::seal(owner, key, std::move(header), plain).value());
  }
  return write;
}

/// Runs one coroutine to its end.
template <class T>
T run_on(asio::io_context& loop, asio::awaitable<T> work) {
  auto result = asio::co_spawn(loop, std::move(work), asio::use_future);
  loop.restart();
  loop.run();
  return result.get();
}

}  // namespace memseal::bench
