// Where a setting's value comes from, and what is refused with which sentence.
#include "app/config/config.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <set>

namespace memseal::app {
namespace {

namespace fs = std::filesystem;
using Pairs = std::vector<std::pair<std::string, std::string>>;

class ConfigLayers : public testing::Test {
 protected:
  ConfigLayers() {
    std::string pattern = (fs::temp_directory_path() / "memseal-config-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) place = pattern;
  }
  ~ConfigLayers() override { fs::remove_all(place); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(place / name, std::ios::binary) << text;
    return place / name;
  }

  LoadedConfig load(const std::string& yaml, Pairs environment = {}, Pairs flags = {}) const {
    ConfigSources sources;
    if (!yaml.empty()) sources.file = write("memseal.yaml", yaml);
    sources.environment = std::move(environment);
    sources.flags = std::move(flags);
    return load_config(sources);
  }

  /// The only problem's message.
  static std::string problem_of(const LoadedConfig& loaded) {
    EXPECT_EQ(loaded.problems.size(), 1u);
    return loaded.problems.empty() ? "" : loaded.problems.front().message;
  }

  fs::path place;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ConfigLayers, AFlagWinsOverTheEnvironmentOverTheFileOverTheDefault) {
  const std::string yaml = "rerank:\n  budget_ms: 11\n";
  const Pairs environment{{"MEMSEAL__RERANK__BUDGET_MS", "22"}};
  const Pairs flags{{"rerank.budget_ms", "33"}};
  struct Row {
    LoadedConfig loaded;
    std::int64_t value;
    std::string origin;
  };
  const Row rows[] = {
      {load(""), Config().rerank.budget_ms, "default"},
      {load(yaml), 11, "file " + (place / "memseal.yaml").string() + ":2"},
      {load(yaml, environment), 22, "env MEMSEAL__RERANK__BUDGET_MS"},
      {load(yaml, environment, flags), 33, "flag"},
      {load("", {}, flags), 33, "flag"}};
  for (const auto& row : rows) {
    EXPECT_TRUE(row.loaded.problems.empty());
    EXPECT_EQ(row.loaded.values.rerank.budget_ms, row.value);
    EXPECT_EQ(row.loaded.origin.at("rerank.budget_ms"), row.origin);
  }
}

TEST_F(ConfigLayers, AnOldNameYieldsToTheNewOne) {
  const auto old_name = load("", {{"RERANK_ENABLED", "false"}});
  EXPECT_FALSE(old_name.values.rerank.enabled);
  EXPECT_EQ(old_name.origin.at("rerank.enabled"), "env RERANK_ENABLED");
  const auto both =
      load("", {{"MEMSEAL__RERANK__ENABLED", "true"}, {"RERANK_ENABLED", "false"}});
  EXPECT_TRUE(both.values.rerank.enabled);
}

TEST_F(ConfigLayers, ASecretIsReadFromTheFileThatTheEnvironmentNames) {
  const auto file = write("dsn", "postgresql://app_user@db/memseal\r\n");
  const auto loaded = load("", {{"MEMSEAL__POSTGRES__DSN_FILE", file.string()}});
  EXPECT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.postgres.dsn, "postgresql://app_user@db/memseal");
  const auto missing = (place / "missing").string();
  EXPECT_EQ(problem_of(load("", {{"MEMSEAL__POSTGRES__DSN_FILE", missing}})),
            "cannot read " + missing + " (env MEMSEAL__POSTGRES__DSN_FILE)");
}

TEST_F(ConfigLayers, ASettingWhoseOwnNameEndsInFileIsNotReadFromOne) {
  const auto loaded = load("", {{"MEMSEAL__SEAL__KEYRING_FILE", "/keys/keyring"}});
  EXPECT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.seal.keyring_file, "/keys/keyring");
}

TEST_F(ConfigLayers, AValueThatIsNotAllowedIsRefusedWithItsKeyAndOrigin) {
  const struct {
    std::string key, value, part;
  } rows[] = {
      {"postgres.connections", "0", "a whole number from 1 to 64"},
      {"postgres.connections", "65", "a whole number from 1 to 64"},
      {"postgres.connections", "4 ", "a whole number"},
      {"postgres.connections", "99999999999999999999", "a whole number"},
      {"postgres.connections", "", "a whole number"},
      {"rerank.enabled", "maybe", "must be true or false"},
      {"model.device", "tpu", "must be one of: auto, cpu, cuda"},
      {"kafka.properties", "no-equals-sign", "name=value"},
  };
  for (const auto& [key, value, part] : rows) {
    const auto loaded = load("", {}, {{key, value}});
    const auto sentence = problem_of(loaded);
    EXPECT_TRUE(contains(sentence, key)) << sentence;
    EXPECT_TRUE(contains(sentence, part)) << sentence;
    EXPECT_TRUE(contains(sentence, "(flag)")) << sentence;
    EXPECT_EQ(loaded.problems.front().field, key);
  }
}

TEST_F(ConfigLayers, AnUnknownKeyIsRefusedWithTheNearestOne) {
  EXPECT_EQ(problem_of(load("", {}, {{"rerank.budged_ms", "1"}})),
            "unknown config key \"rerank.budged_ms\" (flag); did you mean \"rerank.budget_ms\"?");
  EXPECT_TRUE(contains(problem_of(load("", {{"MEMSEAL__HTTP__LISTN", "x"}})),
                       "did you mean \"http.listen\"?"));
  EXPECT_TRUE(contains(problem_of(load("wholly_other: 1\n")),
                       "; `memseal config show` lists all keys"));
}

TEST_F(ConfigLayers, AFileIsRefusedWhereItIsNoMapOfSections) {
  const std::pair<std::string, std::string> rows[] = {
      {"- a\n- b\n", "must be a YAML map of sections"},
      {"rerank: {\n", "not YAML"},
      {"http:\n  listen: [a, b]\n", "http.listen takes one value, not a list"},
      {"http:\n  listen: a\n  listen: b\n", "\"http.listen\" stands twice"},
  };
  for (const auto& [yaml, part] : rows) {
    const auto sentence = problem_of(load(yaml));
    EXPECT_TRUE(contains(sentence, part)) << sentence;
  }
}

TEST_F(ConfigLayers, EveryProblemIsReportedNotOnlyTheFirst) {
  EXPECT_EQ(load("a: 1\nb: 2\n", {{"MEMSEAL__C", "3"}}, {{"d", "4"}}).problems.size(), 4u);
}

TEST_F(ConfigLayers, SettingsThatContradictEachOtherAreRefused) {
  const std::pair<Pairs, std::string> rows[] = {
      {{{"chunk.tokens", "64"}, {"chunk.overlap", "33"}}, "chunk.overlap"},
      {{{"embedding.url", "https://h/v1"}}, "embedding.url"},
      {{{"seal.encryption_key", "k"}}, "seal.encryption_key"},
      {{{"auth.lifetime_s_max", "60"}, {"auth.leeway_s", "60"}}, "auth.leeway_s"},
  };
  for (const auto& [flags, field] : rows) {
    const auto loaded = load("", {}, flags);
    problem_of(loaded);
    if (!loaded.problems.empty()) {
      EXPECT_EQ(loaded.problems.front().field, field);
    }
  }
}

TEST_F(ConfigLayers, TheTemplateReadsBackAsTheDefaults) {
  const auto text = config_template();
  const auto loaded = load(text);
  for (const auto& problem : loaded.problems) ADD_FAILURE() << problem.message;
  const Config defaults;
  for (const auto& setting : settings()) {
    EXPECT_EQ(setting.get(loaded.values), setting.get(defaults)) << setting.key;
    EXPECT_TRUE(contains(text, "[" + env_name(setting.key) + "]")) << setting.key;
    if (!setting.get(defaults).empty()) {
      EXPECT_TRUE(loaded.origin.at(setting.key).starts_with("file ")) << setting.key;
    }
  }
}

TEST_F(ConfigLayers, EveryNumberAndChoiceSetsTheFieldThatItShows) {
  for (const auto& setting : settings()) {
    Config config;
    const auto shown = setting.get(config);
    if (shown.empty()) continue;
    EXPECT_TRUE(setting.set(config, shown).has_value()) << setting.key << " refuses its default";
    EXPECT_EQ(setting.get(config), shown) << setting.key;
  }
}

TEST(Settings, EachKeyAndEachEnvironmentNameStandsOnce) {
  std::set<std::string> names;
  for (const auto& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.key).second) << setting.key;
    EXPECT_TRUE(names.insert(env_name(setting.key)).second) << setting.key;
    if (!setting.env_alias.empty()) {
      EXPECT_TRUE(names.insert(setting.env_alias).second) << setting.env_alias;
    }
    EXPECT_FALSE(setting.help.empty()) << setting.key;
  }
  EXPECT_EQ(env_name("http.listen"), "MEMSEAL__HTTP__LISTEN");
}

}  // namespace
}  // namespace memseal::app
