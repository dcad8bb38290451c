#include "adapters/kafka/settings.hpp"

#include "adapters/kafka/internal/handles.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace memseal::kafka {

namespace {

// `config show` prints the properties. Any name that looks like a secret's hides its value, because
// librdkafka has many of them and adds more.
bool is_secret_property(const std::string& name) {
  constexpr std::array words{"password", "secret", "jaas", "pem", "key", "token", "oauth"};
  return std::ranges::any_of(words, [&](const char* word) { return name.find(word) != name.npos; });
}

bool is_known_property(const std::string& name) {
  using TopicConf =
      std::unique_ptr<rd_kafka_topic_conf_t, FreeWith<rd_kafka_topic_conf_destroy>>;
  const Conf conf(rd_kafka_conf_new());
  const TopicConf topic_conf(rd_kafka_topic_conf_new());
  std::size_t size = 0;
  return rd_kafka_conf_get(conf.get(), name.c_str(), nullptr, &size) == RD_KAFKA_CONF_OK ||
         rd_kafka_topic_conf_get(topic_conf.get(), name.c_str(), nullptr, &size) ==
             RD_KAFKA_CONF_OK;
}

// A value that holds a comma has no place in this list. Such a property is set under a key of its
// own, kafka.properties.<name>.
Result<void> add_properties(Settings& settings, const std::string& value) {
  bool after_secret = false;
  std::size_t begin = 0;
  while (begin < value.size()) {
    const auto end = std::min(value.find(',', begin), value.size());
    const auto pair = value.substr(begin, end - begin);
    const auto equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    // What follows a secret may be the rest of it, which no message and no list may show.
    if (after_secret && (equals == std::string::npos || !is_known_property(name)))
      return setting::refused(std::string(properties_key),
                              "has no property after a comma that follows a secret; give a secret "
                              "with a comma by the key kafka.properties.<its name>");
    if (equals == std::string::npos || equals == 0)
      return setting::refused(std::string(properties_key), "is a list name=value,name=value");
    settings.properties[name] = pair.substr(equals + 1);
    after_secret = after_secret || is_secret_property(name);
    begin = end + 1;
  }
  return {};
}

std::string show_properties(const Settings& settings) {
  std::string list;
  for (const auto& [name, value] : settings.properties)
    list += (list.empty() ? "" : ",") + name + "=" +
            (is_secret_property(name) ? std::string("(set)") : value);
  return list;
}

Setting<Settings> properties() {
  Setting<Settings> row{{std::string(properties_key),
                         "librdkafka properties, name=value,… (a map in YAML)",
                         SettingFacts::Kind::list}};
  row.set = add_properties;
  row.get = show_properties;
  return row;
}

}  // namespace

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {text("kafka.brokers", "bootstrap servers, host:port,host:port", &Settings::brokers),
          text("kafka.group", "consumer group", &Settings::group),
          text("kafka.instance_id",
               "name of this member, stable over restarts: a restart then keeps its partitions",
               &Settings::instance_id),
          text("kafka.upload_topic", "topic of uploads", &Settings::upload_topic),
          text("kafka.chat_topic", "topic of chats", &Settings::chat_topic),
          text("kafka.status_topic", "topic of the outcome of each event",
               &Settings::status_topic),
          flag("kafka.create_topics", "create missing topics at start", &Settings::create_topics),
          number("kafka.partitions", "partitions of new topics; -1: the broker's default", -1,
                 10'000, &Settings::partitions),
          number("kafka.replication", "replicas of new topics; -1: the broker's default", -1, 100,
                 &Settings::replication),
          number("kafka.retention_h",
                 "hours that new topics keep their records; 0: the broker's default", 0, 876'000,
                 &Settings::retention_h),
          number("kafka.dead_letter_retention_h",
                 "hours that new topics of dead letters keep them; 0: the broker's default", 0,
                 876'000, &Settings::dead_letter_retention_h),
          kafka::properties()};
}

}  // namespace memseal::kafka
