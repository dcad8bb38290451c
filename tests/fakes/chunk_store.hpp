#pragma once
#include "fakes/fault_script.hpp"
#include "ports/chunk_store.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// The ledger and the rows of all tenants. Applies each event once, as PostgreSQL does.
class ChunkStore final : public ports::ChunkStore {
 public:
  struct Failure {
    crypto::Tenant owner;
    Uuid event_id;
    Origin origin;
    std::optional<DocId> doc_id;
    Errc code;
  };

  asio::awaitable<std::vector<ports::Stored>> store(
      runtime::RequestContext, crypto::Tenant owner,
      std::vector<ports::EventWrite> writes) override {
    co_await faults.play();
    for (const auto& write : writes)
      if (poison && poison(write)) throw std::runtime_error("poison");
    std::vector<ports::Stored> answers;
    for (auto& write : writes) {
      if (erased.contains(owner)) {
        answers.push_back(ports::Stored::erased);
      } else if (!ledger.insert({owner, write.event_id}).second) {
        answers.push_back(ports::Stored::duplicate);
      } else {
        answers.push_back(ports::Stored::applied);
        writes_of[owner].push_back(std::move(write));
      }
    }
    if (replies_lost > 0) {
      --replies_lost;
      throw Outage({Errc::unavailable, "the connection broke in COMMIT"});
    }
    co_return answers;
  }
  asio::awaitable<void> rehearse(runtime::RequestContext, crypto::Tenant,
                                 std::vector<ports::EventWrite> writes) override {
    ++rehearsals;
    rehearsed = std::move(writes);
    faults.play_check();
    if (check) check();
    co_return;
  }
  asio::awaitable<void> store_failure(runtime::RequestContext, crypto::Tenant owner, Uuid event_id,
                                      Origin origin, std::optional<DocId> doc_id,
                                      Errc code) override {
    co_await faults.play();
    failures.push_back({owner, event_id, origin, std::move(doc_id), code});
  }
  std::size_t events() const { return ledger.size(); }

  FaultScript faults;
  int replies_lost = 0;  ///< so many calls are applied, and then their connection breaks
  std::function<bool(const ports::EventWrite&)> poison;  ///< true: the write makes store() throw
  std::set<crypto::Tenant> erased;
  std::set<std::pair<crypto::Tenant, Uuid>> ledger;
  std::map<crypto::Tenant, std::vector<ports::EventWrite>> writes_of;
  std::vector<Failure> failures;
  int rehearsals = 0;
  std::function<void()> check;               ///< what a rehearsal does; may throw
  std::vector<ports::EventWrite> rehearsed;  ///< writes of the last rehearsal
};

}  // namespace memseal::fakes
