#pragma once
// What became of the events of one call, as far as the call knows. Pure.
#include "app/cli/event_ends.hpp"
#include "base/errc.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace memseal::app {

/// Whether the broker has the record of an event.
enum class Delivery {
  not_sent,
  unknown,  ///< the record was given to the client, and no confirmation came: it may have arrived
  sent,     ///< the broker confirmed the record
};

/// The delivery of an event whose publishing failed with `code`.
Delivery delivery_after(Errc code);

struct Fate {
  Delivery delivery = Delivery::not_sent;
  std::optional<EventEnd> end = {};    ///< empty: nobody waited, or no word came
  std::chrono::milliseconds took{0};   ///< from the first event's publishing to this end

  bool stored() const noexcept { return end && end->stored; }
  /// Nothing of this event will be read again: it is stored, or something newer is, or nothing of
  /// its user may be stored.
  bool ended_for_good() const noexcept {
    return end && (end->stored || end->code == "superseded" || end->code == "erased");
  }
  /// The event became a dead letter that no replay can make a document of: its text is to blame.
  bool refused_for_good() const noexcept;
  /// The value of `state` in the JSON line of the event. What ingest said of the event comes before
  /// what the broker said of its record.
  std::string_view state() const;
};

/// The fates of all events of a call, by index.
class Fates {
 public:
  explicit Fates(std::size_t count) : all_(count) {}

  void deliver(std::size_t index, Delivery delivery) { all_[index].delivery = delivery; }
  void end(std::size_t index, EventEnd end, std::chrono::milliseconds took);

  const Fate& operator[](std::size_t index) const { return all_[index]; }
  /// Events with this delivery, and those of them that have not ended.
  std::size_t count(Delivery delivery) const;
  std::size_t open(Delivery delivery) const;
  std::size_t ended() const;
  std::size_t stored() const;
  std::size_t size() const noexcept { return all_.size(); }

 private:
  std::vector<Fate> all_;
};

}  // namespace memseal::app
