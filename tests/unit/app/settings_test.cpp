// The table of settings: what each row promises, checked for all rows alike.
#include "app/config/config.hpp"

#include "support/contains.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

namespace memseal::app {
namespace {

using test::contains;

LoadedConfig load_flag(const std::string& key, const std::string& value) {
  ConfigSources sources;
  sources.flags.emplace_back(key, value);
  return load_config(sources);
}

/// Problems of this key alone, because a number at its edge may contradict another default.
std::vector<std::string> problems_of(const std::string& key, const std::string& value) {
  std::vector<std::string> sentences;
  for (const auto& problem : load_flag(key, value).problems)
    if (problem.field == key && contains(problem.message, "(flag)"))
      sentences.push_back(problem.message);
  return sentences;
}

TEST(Settings, EachKeyAndEachEnvironmentNameStandsOnce) {
  std::set<std::string> names;
  for (const auto& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.key).second) << setting.key;
    EXPECT_TRUE(names.insert(env_name(setting.key)).second) << setting.key;
    if (!setting.env_alias.empty()) {
      EXPECT_TRUE(names.insert(setting.env_alias).second) << setting.env_alias;
    }
  }
  EXPECT_EQ(env_name("http.listen"), "MEMSEAL__HTTP__LISTEN");
}

TEST(Settings, EachRowHasHelpAndASectionOfTheTable) {
  std::set<std::string> named, used;
  for (const auto& section : sections()) {
    EXPECT_TRUE(named.insert(std::string(section.name)).second) << section.name;
    EXPECT_FALSE(section.title.empty()) << section.name;
  }
  for (const auto& setting : settings()) {
    EXPECT_GE(setting.help.size(), 8u) << setting.key;
    EXPECT_NE(setting.help.back(), '.') << setting.key;
    used.insert(setting.key.substr(0, setting.key.find('.')));
  }
  EXPECT_EQ(used, named);
}

TEST(Settings, TheRowsOfASectionStandTogether) {
  std::set<std::string> ended;
  std::string current;
  for (const auto& setting : settings()) {
    const auto section = setting.key.substr(0, setting.key.find('.'));
    if (section == current) continue;
    EXPECT_TRUE(ended.insert(current).second) << setting.key;
    current = section;
  }
}

TEST(Settings, ANumberIsTakenAtBothEdgesAndRefusedBeyondThem) {
  std::size_t numbers = 0;
  for (const auto& setting : settings()) {
    if (setting.kind != SettingFacts::Kind::number) continue;
    ++numbers;
    EXPECT_LT(setting.least, setting.most) << setting.key;
    for (const auto edge : {setting.least, setting.most}) {
      EXPECT_TRUE(problems_of(setting.key, std::to_string(edge)).empty()) << setting.key;
      Config config;
      EXPECT_TRUE(setting.set(config, std::to_string(edge)));
      EXPECT_EQ(setting.get(config), std::to_string(edge)) << setting.key;
    }
    for (const auto beyond : {setting.least - 1, setting.most + 1}) {
      const auto sentences = problems_of(setting.key, std::to_string(beyond));
      ASSERT_EQ(sentences.size(), 1u) << setting.key << " takes " << beyond;
      EXPECT_EQ(sentences.front(), setting.key + " must be a whole number from " +
                                       std::to_string(setting.least) + " to " +
                                       std::to_string(setting.most) + " (flag)");
    }
    const auto shown = std::stoll(setting.get(Config()));
    EXPECT_TRUE(shown >= setting.least && shown <= setting.most) << setting.key;
    for (const auto* word : {"", " 1", "1 ", "+1", "0x10", "1.0", "1e3", "one", "1,000"})
      EXPECT_EQ(problems_of(setting.key, word).size(), 1u) << setting.key << " takes " << word;
  }
  EXPECT_GE(numbers, 15u);
}

TEST(Settings, AChoiceTakesEachOfItsWordsAndNoOther) {
  std::size_t choices = 0;
  for (const auto& setting : settings()) {
    if (setting.kind != SettingFacts::Kind::choice) continue;
    ++choices;
    for (const auto& word : setting.choices) {
      Config config;
      EXPECT_TRUE(setting.set(config, word)) << setting.key << " refuses " << word;
      EXPECT_EQ(setting.get(config), word) << setting.key;
    }
    for (const auto& word : {std::string("other"), std::string(), setting.choices.front() + " "})
      EXPECT_EQ(problems_of(setting.key, word).size(), 1u) << setting.key << " takes " << word;
  }
  EXPECT_GE(choices, 4u);
}

TEST(Settings, AFlagTakesFourPairsOfWordsAndNoOther) {
  std::size_t flags = 0;
  for (const auto& setting : settings()) {
    if (setting.kind != SettingFacts::Kind::flag) continue;
    ++flags;
    for (const auto& [word, value] : {std::pair{"true", "true"},
                                      {"1", "true"},
                                      {"yes", "true"},
                                      {"on", "true"},
                                      {"false", "false"},
                                      {"0", "false"},
                                      {"no", "false"},
                                      {"off", "false"}}) {
      Config config;
      EXPECT_TRUE(setting.set(config, word)) << setting.key << " refuses " << word;
      EXPECT_EQ(setting.get(config), value) << setting.key;
    }
    for (const auto* word : {"", "True", "2", "maybe"})
      EXPECT_EQ(problems_of(setting.key, word).size(), 1u) << setting.key << " takes " << word;
  }
  EXPECT_GE(flags, 4u);
}

TEST(Settings, ATextThatCanNeverWorkIsRefusedWithoutRepeatingASecret) {
  const struct {
    std::string key, value, part;
  } rows[] = {
      {"http.listen", "foo", "must be address:port, not \"foo\""},
      {"http.listen", "", "must be address:port"},
      {"http.listen", "127.0.0.1:99999", "must be address:port"},
      {"http.listen", "localhost:7400", "must have an IP address, not the name \"localhost\""},
      {"http.listen", "off", "must be address:port"},
      {"http.admin_listen", "127.0.0.1:65536", "must be address:port"},
      {"http.cors_origins", "*", "must list origins as browsers send them"},
      {"http.cors_origins", "https://app.example/", "must list origins"},
      {"redis.url", "redsi://127.0.0.1/0", "must begin with redis://"},
      {"redis.url", "rediss://default:hush@127.0.0.1:6380/0", "needs TLS, which is not built in"},
      {"redis.url", "redis://:hush@host:port", "port is malformed"},
      {"postgres.dsn", "hush", "is neither a postgresql:// address"},
      {"postgres.dsn", "postgresql://u:hush@host:5432/db?no_such_word=1", "is neither"},
      {"postgres.migrate_dsn", "host=db pasword=hush", "is neither"},
      {"embedding.url", "ftp://host", "must begin with"},
      {"embedding.url", "https://hush@host/v1", "a key goes into embedding.api_key"},
  };
  for (const auto& [key, value, part] : rows) {
    const auto sentences = problems_of(key, value);
    ASSERT_EQ(sentences.size(), 1u) << key << " takes " << value;
    EXPECT_TRUE(sentences.front().starts_with(key)) << sentences.front();
    EXPECT_TRUE(contains(sentences.front(), part)) << sentences.front();
    EXPECT_FALSE(contains(sentences.front(), "hush")) << sentences.front();
  }
}

TEST(Settings, ATextThatWorksIsTaken) {
  const std::pair<std::string, std::string> rows[] = {
      {"http.listen", "0.0.0.0:0"},
      {"http.listen", "[::1]:65535"},
      {"http.listen", "::1:7400"},
      {"http.admin_listen", "off"},
      {"http.admin_listen", "127.0.0.1:1"},
      {"http.cors_origins", ""},
      {"http.cors_origins", "https://app.example,http://localhost:3000"},
      {"redis.url", "redis://:hush@[::1]:6379/2"},
      {"postgres.dsn", "postgresql://app_user:hush@db:5432/memseal?sslmode=require"},
      {"postgres.dsn", "host=/run/pg user=app_user dbname=memseal"},
      {"embedding.url", "https://api.openai.com/v1"}};
  for (const auto& [key, value] : rows)
    EXPECT_TRUE(problems_of(key, value).empty()) << key << " refuses " << value;
}

TEST(Settings, ATextIsShownAsItWasSet) {
  for (const auto& setting : settings()) {
    Config config;
    const auto shown = setting.get(config);
    EXPECT_TRUE(setting.set(config, shown).has_value()) << setting.key << " refuses its default";
    EXPECT_EQ(setting.get(config), shown) << setting.key;
    if (setting.kind == SettingFacts::Kind::path) {
      EXPECT_TRUE(setting.set(config, "/some/file"));
      EXPECT_EQ(setting.get(config), "/some/file") << setting.key;
    }
  }
}

TEST(Settings, WhatHoldsAKeyOrAnAddressWithAPasswordIsSecret) {
  const std::set<std::string> expected{
      "postgres.dsn",         "postgres.migrate_dsn", "postgres.backup_dsn", "redis.url",
      "http.admin_token",
      "seal.tenant_hmac_key", "seal.encryption_key",  "seal.token_key",      "embedding.api_key"};
  std::set<std::string> secret;
  for (const auto& setting : settings())
    if (setting.secret) secret.insert(setting.key);
  EXPECT_EQ(secret, expected);
}

TEST(Settings, ThePropertiesOfKafkaNeverShowAPassword) {
  const auto loaded = load_flag("kafka.properties", "sasl.password=hush,client.id=me");
  const auto row = std::ranges::find(settings(), "kafka.properties",
                                     [](const auto& setting) { return setting.key; });
  ASSERT_NE(row, settings().end());
  EXPECT_EQ(row->get(loaded.values), "client.id=me,sasl.password=(set)");
  EXPECT_EQ(loaded.values.kafka.properties.at("sasl.password"), "hush");
}

TEST(Settings, APasswordWithACommaIsNeverShownInPart) {
  for (const std::string list :
       {"sasl.password=hu,sh=x,client.id=me", "sasl.password=hu,sh", "sasl.password=hu,=sh"}) {
    const auto loaded = load_flag("kafka.properties", list);
    ASSERT_EQ(loaded.problems.size(), 1u) << list;
    EXPECT_TRUE(contains(loaded.problems[0].message, "by the key kafka.properties."));
    EXPECT_FALSE(contains(loaded.problems[0].message, "sh=")) << loaded.problems[0].message;
    EXPECT_FALSE(loaded.values.kafka.properties.contains("sh"));
  }
  const auto list = load_flag("kafka.properties", "sasl.password=hush,acks=all,client.id=me");
  EXPECT_TRUE(list.problems.empty());
  EXPECT_EQ(list.values.kafka.properties.at("client.id"), "me");
  const auto single = load_flag("kafka.properties.sasl.password", "hu,sh=x");
  EXPECT_TRUE(single.problems.empty());
  EXPECT_EQ(single.values.kafka.properties.at("sasl.password"), "hu,sh=x");
}

// The page is what the program prints: `memseal config table > docs/settings.md`.
TEST(Settings, ThePageOfSettingsIsTheTable) {
  const auto table = settings_table();
  std::ifstream file(std::string(MEMSEAL_SOURCE_DIR) + "/docs/settings.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(page, table);
  for (const auto& setting : settings())
    EXPECT_TRUE(contains(table, "| `" + setting.key + "` |")) << setting.key;
}

}  // namespace
}  // namespace memseal::app
