#pragma once
// What is stored of one person as a whole, and its erasure. A person is a tenant.
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// What a tenant has in the database.
struct StoredCounts {
  std::int64_t documents = 0, conversations = 0, chunks = 0;
  std::int64_t text_bytes = 0;  ///< of the chunks' texts in UTF-8; overlaps count twice
  std::int64_t files = 0, file_bytes = 0;
};

struct PersonState {
  bool known = false;                          ///< the tenant has a row
  std::optional<std::int64_t> erased_at_ms;    ///< Unix milliseconds; then `counts` are zero
  StoredCounts counts;                         ///< without what has expired
};

/// What an erasure destroyed, as the tombstone keeps it. What had expired counts too.
struct Erasure {
  std::int64_t at_ms = 0;  ///< Unix milliseconds: when the keys died
  std::int64_t documents = 0, conversations = 0, chunks = 0;
  std::int64_t operations = 0;  ///< rows of the ledger
  std::int64_t keys = 0;        ///< generations of the tenant's key
  std::int64_t files = 0, file_bytes = 0;

  friend bool operator==(const Erasure&, const Erasure&) = default;
};

/// Throws Outage when the database is unavailable. Thread: any executor.
class PersonStore {
 public:
  virtual ~PersonStore() = default;
  virtual asio::awaitable<PersonState> look(runtime::RequestContext context,
                                            crypto::Tenant owner) = 0;
  /// Makes the tenant a tombstone for ever, deletes its keys and the first `rows_max` rows of each
  /// table, and tells every process, in one transaction. Waits for the transactions that write for
  /// this tenant; none can begin behind it. A tenant that was never seen gets a tombstone too.
  /// Called again, it changes nothing and returns what the first call did.
  virtual asio::awaitable<Erasure> bury(runtime::RequestContext context, crypto::Tenant owner,
                                        std::size_t rows_max) = 0;
  /// Deletes up to `rows_max` more rows of each table of a buried tenant. Returns whether any row
  /// is left, whoever deletes beside it. Where another call works for this tenant, it waits for
  /// that one; no process takes the erasure over for as long as calls go on.
  /// REQUIRES: bury() was called. Throws Refused{internal} otherwise.
  virtual asio::awaitable<bool> delete_rows(runtime::RequestContext context, crypto::Tenant owner,
                                            std::size_t rows_max) = 0;
  /// Forgets that this erasure is under way: its rows and files are gone.
  virtual asio::awaitable<void> finish(runtime::RequestContext context, crypto::Tenant owner) = 0;
  /// Takes over at most `count` erasures of which nobody was heard for `silence`: bury() began
  /// them, no delete_rows() came since, and finish() was not called. No other process gets them
  /// before `silence` has passed again.
  virtual asio::awaitable<std::vector<UserHash>> take_unfinished(runtime::RequestContext context,
                                                                 std::chrono::seconds silence,
                                                                 std::size_t count) = 0;
};

}  // namespace memseal::ports
