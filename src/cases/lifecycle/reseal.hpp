#pragma once
#include "cases/lifecycle/tenant_keys.hpp"
#include "ports/sealed_rows.hpp"
#include "pure/crypto/tenant.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>

namespace memseal::lifecycle {

namespace asio = boost::asio;

/// Everything outlives the work.
struct ResealDeps {
  ports::SealedRows& rows;
  CachedTenantKeys& keys;
  const crypto::IdDeriver& ids;
  std::function<runtime::RequestContext()> step;  ///< the context of the next call
  std::function<void(std::int64_t rows)> progress = {};
};

struct ResealReport {
  std::uint32_t key_id = 0;   ///< the generation that seals now
  std::int64_t texts = 0;     ///< chunks whose text and meta were sealed again
  std::int64_t names = 0;     ///< of documents
  std::int64_t unopened = 0;  ///< rows that did not open, and stayed
  std::int64_t left = 0;      ///< all rows under an older key at the end, unopened ones too
};

enum class ResealKey {
  fresh,    ///< a new generation begins
  current,  ///< goes on under the one that seals now
};

/// Seals the texts and the names of documents of one tenant again. Readers and writers go on: a row
/// opens before and after, because each blob names its key and both keys are there. Goes round
/// until nothing is left that this can move, a few times at most, because writers may still hold
/// the key of before. Counts what is left then.
/// May be ended at any time; ResealKey::current goes on.
/// The terms of the lexical search, files and dead letters keep the key of before, which stays for
/// opening.
/// Throws Failure: the tenant is erased or has no key (not_found), or the database is away.
asio::awaitable<ResealReport> reseal_tenant(const ResealDeps& deps, crypto::Tenant owner,
                                            ResealKey key);

}  // namespace memseal::lifecycle
