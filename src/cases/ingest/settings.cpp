#include "cases/ingest/settings.hpp"

#include "pure/policy/token_bucket.hpp"
#include "pure/wire/event_names.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace memseal::ingest {

namespace {

constexpr std::pair<std::string_view, TopicClass> classes[] = {{"chat", TopicClass::chat},
                                                               {"api", TopicClass::api},
                                                               {"upload", TopicClass::upload},
                                                               {"backfill", TopicClass::backfill}};

/// A class by its name. The topic must not be one of dead letters, which ingest itself writes.
std::optional<TopicClass> class_of(std::string_view topic, std::string_view name) {
  if (!wire::is_topic_name(topic) || topic.ends_with(".dlq")) return std::nullopt;
  const auto found = std::find_if(std::begin(classes), std::end(classes),
                                  [&](const auto& known) { return known.first == name; });
  return found == std::end(classes) ? std::nullopt : std::optional(found->second);
}

Result<void> set_topics(Settings& settings, const std::string& value) {
  TopicClasses topics;
  for (std::size_t begin = 0; begin < value.size();) {
    const auto end = std::min(value.find(',', begin), value.size());
    const auto pair = std::string_view(value).substr(begin, end - begin);
    const auto equals = std::min(pair.find('='), pair.size());
    const auto topic = pair.substr(0, equals);
    const auto wanted = class_of(topic, pair.substr(std::min(equals + 1, pair.size())));
    if (!wanted)
      return setting::refused("kafka.topics",
                              "is a list topic=class,topic=class; a class is chat, api, upload or "
                              "backfill, and no topic ends in .dlq");
    topics[std::string(topic)] = *wanted;
    begin = end + 1;
  }
  settings.topics = std::move(topics);
  return {};
}

std::string show_topics(const Settings& settings) {
  std::string list;
  for (const auto& [topic, wanted] : settings.topics)
    for (const auto& [name, known] : classes)
      if (known == wanted) list += (list.empty() ? "" : ",") + topic + "=" + std::string(name);
  return list;
}

Setting<Settings> topics_row() {
  Setting<Settings> row{{"kafka.topics",
                         "further topics of events, topic=class,…: chat, api, upload, backfill",
                         SettingFacts::Kind::list}};
  row.set = set_topics;
  row.get = show_topics;
  return row;
}

}  // namespace

std::span<const RetiredSetting> Settings::retired() {
  static constexpr RetiredSetting rows[] = {
      {"kafka.require_authtoken", "kafka.producers says who may write events"}};
  return rows;
}

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {flag("kafka.enabled", "consume events; false: this process only answers queries",
               &Settings::enabled),
          flag("kafka.status_events", "publish to the status topic", &Settings::status_events),
          choice("kafka.producers",
                 "who may write events: signed (producers of kafka.producers_file, and memseal "
                 "itself), broker (whom Kafka's ACLs let), open (everybody; on loopback only)",
                 {std::string(producers_signed), std::string(producers_broker),
                  std::string(producers_open)},
                 &Settings::producers),
          choice("kafka.own_events",
                 "how memseal publishes what is sent over HTTP: sealed under the user's key; clear "
                 "only while workers of an older release consume",
                 {std::string(own_events_sealed), std::string(own_events_clear)},
                 &Settings::own_events),
          path("kafka.producers_file",
               "JSON file of the producers that may write, which `memseal producers` makes; read "
               "again when it changes",
               &Settings::producers_file),
          number("kafka.signature_window_s",
                 "seconds between the time of a signature and the broker's time of its record", 1,
                 86'400, &Settings::signature_window_s),
          number("kafka.signature_age_h",
                 "hours for which a signature counts where the broker gives records no time", 1,
                 8'760, &Settings::signature_age_h),
          number("kafka.user_tokens_per_minute",
                 "tokens of a user's events that are embedded in turn; more waits like a "
                 "backfill; 0: no limit",
                 0, policy::BucketRules::tokens_max, &Settings::user_tokens_per_minute),
          topics_row()};
}

}  // namespace memseal::ingest
