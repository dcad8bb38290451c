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
  for (std::size_t deleted = 1; deleted > 0;)
    deleted = co_await deps.store.delete_rows(step(), owner, rows_at_once);
  // The rows of an erasure that was cut short may be gone while the objects are not.
  if (deps.files == nullptr && erasure.files > 0) refuse_without_files();
  std::size_t objects = 0;
  if (deps.files != nullptr) objects = co_await deps.files->remove_all(step(), owner);
  runtime::log(runtime::LogLevel::info, "person.erased",
               {{"request_id", step().id},
                {"tenant", owner.hash().prefix()},
                {"chunks", erasure.chunks},
                {"objects", objects}});
  co_return erasure;
}

}  // namespace memseal::person
