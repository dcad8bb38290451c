#pragma once
// Erases a person: the keys at once, then everything that they sealed.
#include "ports/file_store.hpp"
#include "ports/person_store.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>

namespace memseal::person {

namespace asio = boost::asio;

/// Everything that it refers to must outlive it. Thread: any that the ports allow.
struct EraseDeps {
  ports::PersonStore& store;
  ports::FileStore* files = nullptr;  ///< null: none is kept here
  /// Drops what this process has cached of a tenant; empty: it caches nothing.
  std::function<void(const crypto::Tenant&)> forget = {};
};

/// Gives each step a deadline of its own, because a large tenant takes longer than one request.
using StepContext = std::function<runtime::RequestContext()>;

/// Erases `owner` for ever and returns what was destroyed. Once the first transaction commits, the
/// keys are gone and nothing is written for this tenant any more. Rows and files follow; the caller
/// is answered when all are gone. Cut short by a failure or by the end of the process, it is
/// completed by being called again, with the same result; finish_erasures() does that.
/// Throws Outage; Refused{bad_config} where the tenant has or had files and this process has no
/// store of files. Then nothing was erased that was not erased before.
asio::awaitable<ports::Erasure> erase(const EraseDeps& deps, const StepContext& step,
                                      crypto::Tenant owner);

/// Finishes erasures that a process began and left unfinished at least `silence` ago, because it
/// died or met an outage. Returns how many. One that fails is logged, and tried again later.
/// Throws Outage where it cannot look for them.
asio::awaitable<std::size_t> finish_erasures(const EraseDeps& deps, const StepContext& step,
                                             const crypto::TenantKeyer& tenants,
                                             std::chrono::seconds silence);

}  // namespace memseal::person
