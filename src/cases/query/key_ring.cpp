#include "cases/query/internal/key_ring.hpp"

#include "base/assert.hpp"
#include "runtime/log.hpp"

namespace memseal::query {

namespace {

const char* cause_of(Unopened why) {
  switch (why) {
    case Unopened::not_a_blob: return "not_a_blob";
    case Unopened::key_missing: return "key_missing";
    case Unopened::not_authentic: return "not_authentic";
  }
  MEMSEAL_ASSERT(false);
}

void count(QueryMetrics& metrics, Unopened why) {
  switch (why) {
    case Unopened::not_a_blob: return metrics.open_not_a_blob.Increment();
    case Unopened::key_missing: return metrics.open_key_missing.Increment();
    case Unopened::not_authentic: break;
  }
  // Row-level security returns a tenant's own rows only. A row that another key sealed means that
  // isolation in the database has failed, so it has a counter to raise an alarm on.
  metrics.cross_tenant_decrypt_attempts.Increment();
  metrics.aad_mismatches.Increment();
  metrics.open_not_authentic.Increment();
}

}  // namespace

asio::awaitable<ports::TenantKeyPtr> KeyRing::get(std::uint32_t key_id) {
  if (const auto known = keys_.find(key_id); known != keys_.end()) co_return known->second;
  auto key = co_await source_.opening_key(context_, who_, key_id);
  keys_.emplace(key_id, key);
  co_return key;
}

asio::awaitable<void> KeyRing::add(const Bytes& blob) {
  if (const auto key_id = crypto::Sealer::key_id_of(blob)) co_await get(*key_id);
}

void report_unopened(QueryMetrics& metrics, const runtime::RequestContext& context,
                     const crypto::Tenant& who, Unopened why, const std::string& what) {
  count(metrics, why);
  runtime::log(runtime::LogLevel::error, "query.open_failed",
               {{"request_id", context.id}, {"cause", cause_of(why)},
                {"user_hash", who.hash().prefix()}, {"chunk", what}});
}

}  // namespace memseal::query
