#pragma once
#include "fakes/fault_script.hpp"
#include "ports/event_sink.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// Keeps what is published, in order.
class EventSink final : public ports::EventSink {
 public:
  asio::awaitable<void> publish(runtime::RequestContext, ports::OutRecord record) override {
    co_await faults.play();
    if (check) check(record);
    records.push_back(std::move(record));
  }

  bool reachable() const noexcept override { return is_reachable; }

  std::vector<ports::OutRecord> to(ports::Channel channel) const {
    std::vector<ports::OutRecord> found;
    for (const auto& record : records)
      if (record.channel == channel) found.push_back(record);
    return found;
  }
  std::vector<ports::OutRecord> letters_of(const std::string& topic) const {
    auto found = to(ports::Channel::dead_letter);
    std::erase_if(found, [&](const auto& letter) { return letter.source_topic != topic; });
    return found;
  }

  FaultScript faults;
  bool is_reachable = true;
  std::function<void(const ports::OutRecord&)> check;  ///< refuses a record by throwing
  std::vector<ports::OutRecord> records;
};

}  // namespace memseal::fakes
