#include "adapters/kafka/admin.hpp"
#include "app/cli/config_check.hpp"
#include "app/cli/console.hpp"
#include "app/cli/doctor.hpp"
#include "app/service/producers.hpp"
#include "app/service/wiring.hpp"
#include "pure/codec/ascii.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace memseal::app {

namespace {

/// What may lose events that a broker has acknowledged. `events`: the first of the topics are those
/// of events, the others those of their dead letters.
void check_topics(const kafka::Settings& settings, const std::vector<kafka::TopicView>& topics,
                  std::size_t events, std::vector<Finding>& findings) {
  std::string alone, unsynced, short_lived, compacted;
  const auto add = [](std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ", ") + name;
  };
  constexpr std::int64_t hour_ms = 3'600'000, day_ms = 24 * hour_ms;
  static constexpr auto for_ever = std::numeric_limits<std::int64_t>::max();
  const auto kept_ms = [](const kafka::TopicView& topic) -> std::optional<std::int64_t> {
    return topic.retention_ms.value_or(0) < 0 ? for_ever : topic.retention_ms;
  };
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const auto& topic = topics[i];
    if (topic.partitions == 0) continue;
    if (topic.replicas < 2)
      add(alone, topic.name);
    else if (topic.replicas_in_sync_min.value_or(2) < 2)
      add(unsynced, topic.name);
    if (topic.is_compacted) add(compacted, topic.name);
    // The topics of dead letters follow those of events in the same order.
    const auto kept = kept_ms(topic), source_kept = kept_ms(topics[i % events]);
    const bool is_letters = i >= events;
    const auto wanted = is_letters ? settings.dead_letter_retention_h : settings.retention_h;
    const bool outlived = is_letters && kept && source_kept && *kept < *source_kept;
    if (outlived || (kept && *kept < std::max(day_ms, wanted * hour_ms)))
      add(short_lived, topic.name);
  }
  const auto note = [&](const char* name, const std::string& list, const char* sentence,
                        std::string fix) {
    if (!list.empty()) findings.push_back({name, false, list + sentence, std::move(fix), false});
  };
  note("kafka replicas", alone, ": one replica, whose disk may lose acknowledged events",
       "give them two or more (kafka-reassign-partitions); new ones: " +
           env_name("kafka.replication"));
  note("kafka in sync", unsynced, ": min.insync.replicas below 2, so one disk may lose events",
       "set min.insync.replicas=2 (kafka-configs)");
  note("kafka retention", short_lived,
       ": kept for less than a day, than the settings say, or dead letters than their events",
       "set retention.ms (kafka-configs); new ones: " + env_name("kafka.retention_h") + ", " +
           env_name("kafka.dead_letter_retention_h"));
  note("kafka compaction", compacted, ": compacted, which deletes all but the last event of a user",
       "set cleanup.policy=delete (kafka-configs)");
}

/// Where a record has the time that its producer says, a stolen signature counts for long.
void check_broker_time(const std::vector<kafka::TopicView>& topics, std::size_t events,
                       std::vector<Finding>& findings) {
  std::string timed_by_producers;
  for (std::size_t i = 0; i < events; ++i)
    if (topics[i].has_broker_time == false)
      timed_by_producers += (timed_by_producers.empty() ? "" : ", ") + topics[i].name;
  if (timed_by_producers.empty()) return;
  findings.push_back({"kafka clock", false,
                      timed_by_producers + ": records have their producers' times, so a signature "
                                           "counts for kafka.signature_age_h",
                      "set message.timestamp.type=LogAppendTime (kafka-configs)", false});
}

/// Whether a broker on another machine is told who this is, as far as the settings show. A broker
/// that asks nobody lets everybody write, and what it is told in clear everybody on the way reads.
void check_broker_access(const Config& config, std::vector<Finding>& findings) {
  const auto remote = remote_broker(config);
  if (remote.empty()) return;
  const auto& properties = config.kafka.properties;
  const auto found = properties.find("security.protocol");
  const auto protocol =
      found == properties.end() ? std::string("plaintext") : codec::ascii_lower(found->second);
  const bool shows_certificate = std::ranges::any_of(properties, [](const auto& property) {
    return property.first.starts_with("ssl.certificate.") ||
           property.first.starts_with("ssl.keystore.");
  });
  const bool is_named = protocol.starts_with("sasl") || (protocol == "ssl" && shows_certificate);
  const bool is_closed = protocol.ends_with("ssl");
  if (is_named && is_closed) return;
  std::string detail = remote + ": ";
  if (!is_named) detail += "memseal does not say who it is, so ACLs cannot bind it";
  if (!is_closed) detail += std::string(is_named ? "" : "; ") + "events travel in clear text";
  findings.push_back({"kafka access", false, std::move(detail),
                      "set kafka.properties: security.protocol=sasl_ssl, sasl.mechanism="
                      "SCRAM-SHA-512, sasl.username, sasl.password (docs/kafka.md)",
                      false});
}

}  // namespace

Finding check_producers(const Config& config) {
  const auto& kafka = config.kafka;
  const std::string name = "producers";
  if (kafka.producers == ingest::producers_open) {
    const auto sound = check_open_producers(config);
    if (!sound) return failed(name, sound.error(), "set " + env_name("kafka.producers"));
    return {name, false, "open: whoever reaches the broker writes for every user",
            "set " + env_name("kafka.producers") + " to signed or broker", false};
  }
  if (kafka.producers == ingest::producers_broker)
    return {name, true, "broker: whoever Kafka's ACLs let write to the topics writes for every "
                        "user; memseal cannot see the ACLs", "", false};
  if (kafka.producers_file.empty())
    return {name, true, "signed: none but memseal itself (kafka.producers_file is not set)", ""};
  const auto registry = read_producers(kafka.producers_file);
  if (!registry)
    return failed(name, registry.error(),
                  "see the message; `memseal producers list` reads the file too");
  return {name, true, "signed: " + count_of(registry->producers().size(), "producer") + " in " +
                          kafka.producers_file, ""};
}

void check_kafka(const Config& config, std::vector<Finding>& findings) {
  const std::string fix =
      "start a Kafka broker and set " + env_name("kafka.brokers");
  if (config.kafka.brokers.empty()) {
    findings.push_back({"kafka", false, "kafka.brokers is not set", fix});
    return;
  }
  check_broker_access(config, findings);
  const auto topics = event_topics(config);
  auto asked = topics;
  for (const auto& topic : topics)
    asked.push_back(topic + std::string(kafka::dead_letter_suffix));
  auto seen = kafka::probe_cluster(kafka_client(config), asked);
  if (!seen) {
    findings.push_back(failed("kafka", seen.error(), fix));
    return;
  }
  for (const auto& broker : seen->brokers)
    if (!broker.reachable)
      findings.push_back({"kafka listener", false,
                          "the broker advertises " + broker.host + ":" +
                              std::to_string(broker.port) +
                              ", which does not answer: " + broker.why,
                          "set advertised.listeners to an address this machine reaches"});
  check_topics(config.kafka, seen->topics, topics.size(), findings);
  if (config.kafka.producers == ingest::producers_signed)
    check_broker_time(seen->topics, topics.size(), findings);
  std::string detail = count_of(seen->brokers.size(), "broker");
  // The summary names the topics of events; those of dead letters have had their say above.
  seen->topics.resize(topics.size());
  for (const auto& topic : seen->topics)
    detail += ", " + topic.name +
              (topic.partitions > 0
                   ? " (" + count_of(static_cast<std::size_t>(topic.partitions), "partition") + ")"
                   : " (missing: created at start)");
  findings.push_back({"kafka", true, detail, ""});
}

}  // namespace memseal::app
