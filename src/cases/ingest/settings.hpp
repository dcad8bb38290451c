#pragma once
// What an operator may set of ingest.
#include "base/setting.hpp"

#include <functional>
#include <map>
#include <string>

namespace memseal::ingest {

/// When the events of a topic have their turn.
enum class TopicClass {
  chat,      ///< before all others, because people wait for them
  api,       ///< chats as those of class chat, documents before uploads
  upload,    ///< as their kind: chats, documents sent over HTTP, uploads
  backfill,  ///< after all others
};

using TopicClasses = std::map<std::string, TopicClass, std::less<>>;

/// Of section `kafka`.
struct Settings {
  bool enabled = true;
  bool status_events = true;
  bool require_authtoken = false;  ///< refuse events without a producer's signed token
  /// Of one user, of events that have their turn by their class; 0: no limit. Of all events,
  /// because those sent over HTTP go through Kafka too.
  std::int64_t user_tokens_per_minute = 0;
  TopicClasses topics;             ///< that are consumed beside kafka.upload_topic and chat_topic

  static SettingRows<Settings> rows();
};

}  // namespace memseal::ingest
