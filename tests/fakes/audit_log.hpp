#pragma once
#include "fakes/fault_script.hpp"
#include "ports/audit_log.hpp"

#include <utility>
#include <vector>

namespace memseal::fakes {

/// Keeps what is appended.
class AuditLog final : public ports::AuditLog {
 public:
  asio::awaitable<void> append(runtime::RequestContext,
                               std::vector<audit::Event> events) override {
    co_await faults.play();
    batches.push_back(events.size());
    for (auto& event : events) written.push_back(std::move(event));
  }
  asio::awaitable<ports::Checkpointed> checkpoint(runtime::RequestContext, std::int64_t,
                                                  std::chrono::seconds) override {
    ++checkpoints;
    co_return ports::Checkpointed{held_by.empty() ? std::size_t{1} : 0, held_by};
  }

  /// Those of one action.
  std::vector<audit::Event> of(std::string_view action) const {
    std::vector<audit::Event> found;
    for (const auto& event : written)
      if (event.action == action) found.push_back(event);
    return found;
  }

  FaultScript faults;  ///< of append()
  std::vector<audit::Event> written;
  std::vector<std::size_t> batches;
  int checkpoints = 0;
  std::string held_by;  ///< who keeps everybody from signing
};

}  // namespace memseal::fakes
