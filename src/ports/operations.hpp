#pragma once
#include "base/ids.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::ports {

namespace asio = boost::asio;

enum class OperationState {
  queued,
  succeeded,
  superseded,  ///< a newer version of the document was stored before; this one was not stored
  failed,
};

/// Stable name, as clients read it.
constexpr std::string_view operation_state_name(OperationState state) noexcept {
  switch (state) {
    case OperationState::queued: return "queued";
    case OperationState::succeeded: return "succeeded";
    case OperationState::superseded: return "superseded";
    case OperationState::failed: return "failed";
  }
  return "";
}

/// The reverse. Empty for every other text.
constexpr std::optional<OperationState> parse_operation_state(std::string_view name) noexcept {
  for (const auto state :
       {OperationState::queued, OperationState::succeeded, OperationState::superseded,
        OperationState::failed})
    if (name == operation_state_name(state)) return state;
  return std::nullopt;
}

/// How far the ingest of one event is, for its owner.
struct Operation {
  Uuid id;  ///< the event's id
  Origin origin = Origin::upload;
  std::string doc_id;  ///< empty where the event could not be read that far
  OperationState state = OperationState::queued;
  std::string error_code = {};  ///< empty unless failed
  std::int32_t chunks = 0;
  std::optional<std::int32_t> deleted = {};  ///< chunks that it deleted; empty: it writes
  std::int64_t created_at_ms = 0, updated_at_ms = 0;
};

/// Progress of announced operations. ChunkStore moves them on when their events take effect.
/// Throws Outage when the database is unavailable.
class Operations {
 public:
  virtual ~Operations() = default;
  /// Announces an operation before its event is published: state queued. Idempotent.
  /// `request`: a keyed hash of all that the client asked for, where it names the operation.
  /// False, and nothing changes: the operation was announced before for another request.
  /// Throws Refused{tenant_erased} for an erased tenant.
  virtual asio::awaitable<bool> announce(runtime::RequestContext context, crypto::Tenant owner,
                                         Uuid event_id, Origin origin, DocId doc_id,
                                         std::optional<Uuid> request) = 0;
  /// As announce(), of an operation that deletes.
  virtual asio::awaitable<bool> announce_deletion(runtime::RequestContext context,
                                                  crypto::Tenant owner, Uuid event_id,
                                                  Origin origin, DocId doc_id,
                                                  std::optional<Uuid> request) = 0;
  /// Empty when this tenant has no such operation.
  virtual asio::awaitable<std::optional<Operation>> find(runtime::RequestContext context,
                                                         crypto::Tenant owner, Uuid event_id) = 0;
};

}  // namespace memseal::ports
