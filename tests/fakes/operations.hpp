#pragma once
#include "fakes/fault_script.hpp"
#include "ports/operations.hpp"
#include "runtime/condition.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace memseal::fakes {

/// Announced operations of all tenants.
class Operations final : public ports::Operations {
 public:
  asio::awaitable<bool> announce(runtime::RequestContext, crypto::Tenant owner, Uuid event_id,
                                 Origin origin, DocId doc_id,
                                 std::optional<Uuid> request) override {
    co_await faults.play();
    if (erased) throw Refused({Errc::tenant_erased, "erased"});
    if (request && requests.emplace(std::pair(owner, event_id), *request).first->second != *request)
      co_return false;
    known.emplace(std::pair(owner, event_id),
                  ports::Operation{.id = event_id, .origin = origin, .doc_id = doc_id.value(),
                                   .created_at_ms = 1'700'000'000'000});
    co_return true;
  }
  asio::awaitable<bool> announce_deletion(runtime::RequestContext context, crypto::Tenant owner,
                                          Uuid event_id, Origin origin, DocId doc_id,
                                          std::optional<Uuid> request) override {
    const bool is_same =
        co_await announce(std::move(context), owner, event_id, origin, std::move(doc_id), request);
    if (is_same) known.at({owner, event_id}).deleted = 0;
    co_return is_same;
  }
  asio::awaitable<std::optional<ports::Operation>> find(runtime::RequestContext,
                                                        crypto::Tenant owner,
                                                        Uuid event_id) override {
    ++finds;
    if (find_time.count() > 0) co_await runtime::pause_for(find_time);
    if (unseen > 0) {
      --unseen;
      throw Outage({Errc::unavailable, "the database is unavailable"});
    }
    const auto found = known.find({owner, event_id});
    if (found == known.end()) co_return std::nullopt;
    co_return found->second;
  }

  FaultScript faults;  ///< of announce()
  bool erased = false;
  int unseen = 0;      ///< so many calls of find() fail
  int finds = 0;       ///< calls of find()
  std::chrono::milliseconds find_time{0};  ///< of find(), whatever its deadline
  std::map<std::pair<crypto::Tenant, Uuid>, ports::Operation> known;
  std::map<std::pair<crypto::Tenant, Uuid>, Uuid> requests;
};

}  // namespace memseal::fakes
