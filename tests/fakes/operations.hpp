#pragma once
// The ports of the routes under /api/v1, in memory.
#include "support/world.hpp"

#include "ports/operations.hpp"
#include "ports/event_sink.hpp"
#include "ports/limiter.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

class Operations final : public ports::Operations {
 public:
  asio::awaitable<void> announce(runtime::RequestContext, crypto::Tenant owner, Uuid event_id,
                                 Origin origin, DocId doc_id) override {
    co_await mood.play();
    if (erased) throw Refused(Error{Errc::tenant_erased, "erased"});
    known.emplace(std::pair(owner, event_id),
                       ports::Operation{.id = event_id, .origin = origin, .doc_id = doc_id.value(),
                                        .created_at_ms = 1'700'000'000'000});
  }
  asio::awaitable<std::optional<ports::Operation>> find(runtime::RequestContext,
                                                        crypto::Tenant owner,
                                                        Uuid event_id) override {
    const auto found = known.find({owner, event_id});
    if (found == known.end()) co_return std::nullopt;
    co_return found->second;
  }

  Mood mood;
  bool erased = false;
  std::map<std::pair<crypto::Tenant, Uuid>, ports::Operation> known;
};

class Sink final : public ports::EventSink {
 public:
  asio::awaitable<void> publish(runtime::RequestContext, ports::OutRecord record) override {
    co_await mood.play();
    records.push_back(std::move(record));
  }

  Mood mood;
  std::vector<ports::OutRecord> records;
};

class Limiter final : public ports::Limiter {
 public:
  asio::awaitable<ports::Admission> admit(runtime::RequestContext, crypto::Tenant) override {
    ++asked;
    co_return admission;
  }

  ports::Admission admission{.allowed = true, .limit = 100, .remaining = 99, .window_s = 3'600,
                             .reset_s = 36, .retry_after_s = 0};
  int asked = 0;
};

}  // namespace memseal::fakes
