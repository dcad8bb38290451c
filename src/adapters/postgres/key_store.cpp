#include "adapters/postgres/key_store.hpp"

#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/key_row.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"
#include "pure/codec/hex.hpp"
#include "runtime/observe.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace memseal::postgres {

namespace {

// Every statement names its tenant, so that row-level security is the second barrier, not the only
// one.
constexpr Statement load_keys{"keys_load",
                              "SELECT key_id, kek_epoch, wrapped, kcv, state "
                              "FROM app.tenant_keys "
                              "WHERE user_hash = (SELECT app.tenant()) AND state <> 'retired'"};
constexpr Statement know_tenant{
    "keys_know", "SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement erased_tenant{
    "keys_erased",
    "SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) AND state = 'erased'"};
// FOR NO KEY UPDATE lets one rotation at a time run, and does not stop ingest, which holds FOR KEY
// SHARE on the same row.
constexpr Statement count_seals{
    "keys_seals",
    "SELECT seals FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR NO KEY UPDATE"};
constexpr Statement end_key{"keys_end",
                            "UPDATE app.tenant_keys SET state = 'decrypt_only' "
                            "WHERE user_hash = (SELECT app.tenant()) AND state = 'active'"};
// A process that keeps the ended key in its cache would go on sealing with it. The channel is that
// of erasures, because its word is the same: what you know of this tenant is old
// (erasure_listener.hpp).
constexpr Statement tell_ended{
    "keys_tell", "SELECT pg_notify('memseal.erasures', (SELECT app.tenant()))"};
constexpr Statement restart_count{
    "keys_restart", "UPDATE app.tenants SET seals = 0 WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement last_key{"keys_last",
                             "SELECT coalesce(max(key_id), 0) FROM app.tenant_keys "
                             "WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement read_kek_check{"keys_kek_check",
                                   "SELECT value FROM app.settings WHERE key = $1"};
// Of two processes that make a key at once, the first committed row wins. The other one reads that
// row.
constexpr Statement add_key{
    "keys_add",
    "INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};

class PgKeyRows final : public ports::KeyRows {
 public:
  explicit PgKeyRows(TenantTx& tx) : tx_(tx) {}

  bool knows_tenant() override { return !tx_.exec(know_tenant).empty(); }
  bool is_erased() override { return !tx_.exec(erased_tenant).empty(); }
  bool lock_tenant() override { return lock_tenant_row(tx_); }
  std::int64_t lock_seal_count() override {
    return tx_.exec(count_seals).one_field().as<std::int64_t>();
  }
  void restart_seal_count() override { tx_.exec(restart_count); }
  std::vector<ports::KeyRow> read() override {
    std::vector<ports::KeyRow> rows;
    for (const auto& row : tx_.exec(load_keys))
      rows.push_back({key_in(row, 0), row[4].view() == "active"});
    return rows;
  }
  std::uint32_t newest_id() override { return tx_.exec(last_key).one_field().as<std::uint32_t>(); }
  std::optional<crypto::KeyCheckValue> kek_check(std::uint32_t epoch) override {
    const auto rows = tx_.exec(read_kek_check, pqxx::params{kek_check_key(epoch)});
    if (rows.empty()) return std::nullopt;
    const auto bytes = codec::decode_hex(rows[0][0].view());
    crypto::KeyCheckValue check{};
    if (!bytes || bytes->size() != check.size()) return std::nullopt;
    std::copy(bytes->begin(), bytes->end(), check.begin());
    return check;
  }
  void insert_if_absent(const crypto::WrappedKey& key) override {
    try {
      tx_.exec(add_key, pqxx::params{tx_.user_hash(), key.key_id, key.kek_epoch,
                                     binary(std::as_bytes(std::span(key.wrapped))),
                                     binary(std::as_bytes(std::span(key.check)))});
    } catch (const pqxx::check_violation&) {
      // `keys retire` forbids the epoch (key_table.cpp), because its key may be gone by now.
      throw_failure({Errc::bad_config,
                     "key-encryption key " + std::to_string(key.kek_epoch) +
                         " is retired: give this process the keyring that has its successor",
                     "seal.keyring_file"});
    }
  }
  void end_active() override {
    tx_.exec(end_key);
    tx_.exec(tell_ended);
  }

 private:
  TenantTx& tx_;
};

}  // namespace

asio::awaitable<void> PgKeyStore::in_transaction(runtime::RequestContext context,
                                                 crypto::Tenant owner,
                                                 std::function<void(ports::KeyRows&)> work) {
  const auto start = runtime::Clock::now();
  auto job = [work = std::move(work)](TenantTx& tx) {
    PgKeyRows rows(tx);
    work(rows);
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), owner, std::move(job), Access::write);
  runtime::observe_since(pool_.metrics().keys_s, start);
}

std::vector<Statement> key_statements() {
  return {load_keys,     know_tenant, erased_tenant, count_seals, end_key,
          restart_count, tell_ended,  last_key,      add_key,     read_kek_check};
}

}  // namespace memseal::postgres
