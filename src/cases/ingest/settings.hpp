#pragma once
// What an operator may set of ingest.
#include "base/setting.hpp"
#include "pure/producers/windows.hpp"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace memseal::ingest {

/// When the events of a topic have their turn.
enum class TopicClass {
  chat,      ///< before all others, because people wait for them
  api,       ///< chats as those of class chat, documents before uploads
  upload,    ///< as their kind: chats, documents sent over HTTP, uploads
  backfill,  ///< after all others
};

using TopicClasses = std::map<std::string, TopicClass, std::less<>>;

/// Values of kafka.producers.
inline constexpr std::string_view producers_signed = "signed", producers_broker = "broker",
                                  producers_open = "open";

/// Values of kafka.own_events.
inline constexpr std::string_view own_events_sealed = "sealed", own_events_clear = "clear";

/// Of section `kafka`.
struct Settings {
  bool enabled = true;
  bool status_events = true;
  /// Who may write events: "signed" (registered producers and the service itself), "broker" (whom
  /// Kafka's ACLs let), "open" (everybody who reaches the broker).
  std::string producers{producers_signed};
  std::string own_events{own_events_sealed};  ///< how what is sent over HTTP lies in Kafka
  std::string producers_file;            ///< the registry; empty: only the service itself signs
  std::int64_t signature_window_s = producers::signature_window.count();
  std::int64_t signature_age_h = producers::signature_age.count();
  /// Of one user, of events that have their turn by their class; 0: no limit. Of all events,
  /// because those sent over HTTP go through Kafka too.
  std::int64_t user_tokens_per_minute = 0;
  TopicClasses topics;             ///< that are consumed beside kafka.upload_topic and chat_topic

  static SettingRows<Settings> rows();
  static std::span<const RetiredSetting> retired();
};

}  // namespace memseal::ingest
