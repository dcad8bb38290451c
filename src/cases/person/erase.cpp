#include "cases/person/erase.hpp"

#include "runtime/log.hpp"

#include <cstddef>

namespace memseal::person {

namespace {

/// Rows of each table that one transaction deletes: a second of work for the database. Most tenants
/// are gone with the first.
constexpr std::size_t rows_at_once = 20'000;

[[noreturn]] void refuse_without_files() {
  throw_failure({Errc::bad_config,
                 "this user has files, and the store that holds them is not set here",
                 "files.directory"});
}

}  // namespace

asio::awaitable<ports::Erasure> erase(const EraseDeps& deps, const StepContext& step,
                                      crypto::Tenant owner) {
  if (deps.files == nullptr) {
    const auto before = co_await deps.store.look(step(), owner);
    if (before.counts.files > 0) refuse_without_files();
  }
  const auto erasure = co_await deps.store.bury(step(), owner, rows_at_once);
  // At once, and not when the word comes back from the database.
  if (deps.forget) deps.forget(owner);
  bool is_left = true;
  while (is_left) is_left = co_await deps.store.delete_rows(step(), owner, rows_at_once);
  // The rows of an erasure that was cut short may be gone while the objects are not.
  if (deps.files == nullptr && erasure.files > 0) refuse_without_files();
  std::size_t objects = 0;
  if (deps.files != nullptr) objects = co_await deps.files->remove_all(step(), owner);
  co_await deps.store.finish(step(), owner);
  runtime::log(runtime::LogLevel::info, "person.erased",
               {{"request_id", step().id},
                {"tenant", owner.hash().prefix()},
                {"chunks", erasure.chunks},
                {"objects", objects}});
  co_return erasure;
}

asio::awaitable<std::size_t> finish_erasures(const EraseDeps& deps, const StepContext& step,
                                             const crypto::TenantKeyer& tenants,
                                             std::chrono::seconds silence) {
  constexpr std::size_t at_once = 8;
  std::size_t finished = 0;
  const auto left = co_await deps.store.take_unfinished(step(), silence, at_once);
  for (const auto& hash : left) {
    const auto owner = tenants.tenant_of_hash(hash);
    try {
      const auto state = co_await deps.store.look(step(), owner);
      if (!state.erased_at_ms) {
        // No erasure began here, so the note is not ours, and erases nobody.
        runtime::log(runtime::LogLevel::error, "person.erasure_forged",
                     {{"tenant", hash.prefix()}});
        co_await deps.store.finish(step(), owner);
        continue;
      }
      co_await erase(deps, step, owner);
      ++finished;
    } catch (const Failure& failed) {
      // One that cannot be finished here, for example without the files, holds no other one up.
      runtime::log(runtime::LogLevel::error, "person.erasure_unfinished",
                   {{"tenant", hash.prefix()}, {"cause", failed.error().message}});
    }
  }
  co_return finished;
}

}  // namespace memseal::person
