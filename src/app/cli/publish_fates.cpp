#include "app/cli/publish_fates.hpp"

#include <algorithm>
#include <utility>

namespace memseal::app {

Delivery delivery_after(Errc code) {
  // Every other code is decided before the client has the record, or names a record that no broker
  // takes.
  return code == Errc::unavailable ? Delivery::unknown : Delivery::not_sent;
}

bool Fate::refused_for_good() const noexcept {
  if (!end || end->stored) return false;
  for (const auto code : {Errc::event_too_large, Errc::payload_too_large, Errc::bad_event,
                          Errc::unsupported_media_type, Errc::file_encrypted, Errc::file_damaged,
                          Errc::file_without_text})
    if (end->code == errc_name(code)) return true;
  return false;
}

std::string_view Fate::state() const {
  if (end) return !end->stored ? "failed" : end->before ? "stored_before" : "stored";
  switch (delivery) {
    case Delivery::not_sent: return "not_sent";
    case Delivery::unknown: return "unknown";
    case Delivery::sent: return "published";
  }
  return "";
}

void Fates::end(std::size_t index, EventEnd end, std::chrono::milliseconds took) {
  all_[index].end = std::move(end);
  all_[index].took = took;
}

std::size_t Fates::count(Delivery delivery) const {
  return static_cast<std::size_t>(std::count_if(
      all_.begin(), all_.end(), [&](const Fate& fate) { return fate.delivery == delivery; }));
}

std::size_t Fates::open(Delivery delivery) const {
  return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [&](const Fate& fate) {
    return fate.delivery == delivery && !fate.end;
  }));
}

std::size_t Fates::ended() const {
  return static_cast<std::size_t>(std::count_if(
      all_.begin(), all_.end(), [](const Fate& fate) { return fate.end.has_value(); }));
}

std::size_t Fates::stored() const {
  return static_cast<std::size_t>(std::count_if(
      all_.begin(), all_.end(), [](const Fate& fate) { return fate.stored(); }));
}

}  // namespace memseal::app
