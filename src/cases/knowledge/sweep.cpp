#include "cases/knowledge/files.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"

#include <utility>

namespace memseal::knowledge {

namespace {

[[noreturn]] void refuse_store(const std::string& cause) {
  throw_failure({Errc::bad_config, cause, "files.directory"});
}

// The lock before the look: an upload that goes on holds it until its row is there or will never
// be.
asio::awaitable<bool> sweep_object(const KnowledgeDeps& deps, runtime::RequestContext context,
                                   crypto::Tenant owner, ports::FileKey object) {
  const auto held = co_await deps.store.hold(context, owner, object);
  if (!held) co_return false;
  const bool named = co_await deps.catalog.names_object(context, owner, object.file);
  if (named) co_return false;
  co_await held->remove(std::move(context));
  co_return true;
}

asio::awaitable<void> sweep_tenant(const KnowledgeDeps& deps, runtime::RequestContext context,
                                   crypto::Tenant owner, std::vector<ports::StoredFile> objects,
                                   std::int64_t before_ms, Swept& swept) {
  for (const auto& object : objects) {
    if (object.stored_at_ms >= before_ms) continue;
    const bool removed = co_await sweep_object(deps, context, owner, object.key);
    swept.orphans += removed ? 1 : 0;
  }
}

}  // namespace

asio::awaitable<void> claim_store(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                                  runtime::RequestContext context) {
  const auto deployment = tenants.tenant_of_hash(deps.hasher.deployment());
  const auto proposed = crypto::random_uuid();
  const auto claim = co_await deps.catalog.claim_store(context, deployment, proposed);
  auto mark = co_await deps.store.mark(context);
  // Where a store has existed, an empty directory is a disk that is not mounted.
  if (!mark && claim.used)
    refuse_store(
        "the file store of this database is not there: mount its disk, or, to begin with "
        "an empty one, write " +
        claim.store.to_string() + " to the file `store` in it");
  if (!mark) mark = co_await deps.store.ensure_mark(context, claim.store);
  if (*mark != claim.store)
    refuse_store("the file store is marked " + mark->to_string() + " and the database names " +
                 claim.store.to_string() + ": they do not belong together");
  if (!claim.used) co_await deps.catalog.mark_store_used(std::move(context), deployment);
}

asio::awaitable<Swept> sweep(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                             runtime::RequestContext context, std::int64_t now_ms) {
  co_await claim_store(deps, tenants, context);
  constexpr std::chrono::milliseconds age = orphan_age;
  Swept swept;
  swept.unfinished = co_await deps.store.sweep_unfinished(context);
  deps.metrics.swept_unfinished.Increment(static_cast<double>(swept.unfinished));
  std::optional<UserHash> after;
  for (;;) {
    auto of_tenant = co_await deps.store.next_tenant(context, after);
    if (!of_tenant) break;
    after = of_tenant->owner;
    // The store wrote the hash down when the tenant uploaded; no request names one.
    const auto owner = tenants.tenant_of_hash(of_tenant->owner);
    bool failed = !of_tenant->readable;
    try {
      co_await sweep_tenant(deps, context, owner, std::move(of_tenant->files), now_ms - age.count(),
                            swept);
    } catch (const Failure& failure) {
      // The tenants behind this one must not wait for what is wrong with it.
      failed = true;
      runtime::log(runtime::LogLevel::warn, "knowledge.sweep_failed",
                   {{"tenant", of_tenant->owner.prefix()}, {"cause", failure.error().message}});
    }
    swept.failures += failed ? 1 : 0;
  }
  deps.metrics.swept_orphans.Increment(static_cast<double>(swept.orphans));
  deps.metrics.sweep_failures.Increment(static_cast<double>(swept.failures));
  co_return swept;
}

}  // namespace memseal::knowledge
