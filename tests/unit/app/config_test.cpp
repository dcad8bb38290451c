// Where a setting's value comes from, and what is refused with which sentence.
#include "app/config/config.hpp"

#include "support/contains.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace memseal::app {
namespace {

using test::contains;

namespace fs = std::filesystem;
using Pairs = std::vector<std::pair<std::string, std::string>>;

class ConfigLayers : public testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(place / name, std::ios::binary) << text;
    ::chmod((place / name).c_str(), 0600);
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

  const test::TempDirectory directory;
  const fs::path place = directory.path();
};

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
  const auto file = write("dsn", "postgresql://app_user@db/memseal\r\n\n");
  const auto loaded = load("", {{"MEMSEAL__POSTGRES__DSN_FILE", file.string()}});
  EXPECT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.postgres.dsn, "postgresql://app_user@db/memseal");
  const auto missing = (place / "missing").string();
  EXPECT_EQ(problem_of(load("", {{"MEMSEAL__POSTGRES__DSN_FILE", missing}})),
            "cannot read " + missing +
                ": No such file or directory (env MEMSEAL__POSTGRES__DSN_FILE)");
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
      {"kafka.topics", "import.docs", "a class is chat, api, upload or backfill"},
      {"kafka.topics", "import.docs=later", "a class is chat, api, upload or backfill"},
      {"kafka.topics", "=chat", "a list topic=class"},
      {"kafka.topics", "a/b=chat", "a list topic=class"},
      {"kafka.topics", "import.docs.dlq=upload", "no topic ends in .dlq"},
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

TEST_F(ConfigLayers, ASettingOfBeforeIsRefusedWithTheNewNames) {
  const auto loaded = load("ratelimit:\n  requests: 100\n  window_s: 3600\n");
  const auto sentence = problem_of(loaded);
  EXPECT_TRUE(contains(sentence, "ratelimit.requests is no longer a setting (file ")) << sentence;
  EXPECT_TRUE(contains(sentence, "ratelimit.query_requests")) << sentence;
  EXPECT_EQ(loaded.problems.size(), 1u) << "the window keeps its name";
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
      {{{"seal.tenant_hmac_key", "k"}}, "seal.encryption_key"},
      {{{"seal.token_key", "k"}}, "seal.token_key"},
      {{{"seal.keyring_file", "f"}, {"seal.token_key", "k"}}, "seal.token_key"},
      {{{"seal.keyring_file", "f"}, {"seal.tenant_hmac_key", "k"}}, "seal.tenant_hmac_key"},
      {{{"embedding.remote_model", "m"}}, "embedding.url"},
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

TEST_F(ConfigLayers, AFileThatHoldsASecretIsItsOwnersAlone) {
  const std::string secret = "redis://:hush@db", plain = "redis://db";
  for (const mode_t mode : {0400u, 0600u, 0640u, 0604u, 0444u, 0644u, 0602u}) {
    const bool is_own = (mode & 077) == 0;
    const auto value_file = write("secret", secret);
    ASSERT_EQ(::chmod(value_file.c_str(), mode), 0);
    const auto by_name = load("", {{"MEMSEAL__REDIS__URL_FILE", value_file.string()}});
    ConfigSources sources;
    sources.file = write("one.yaml", "log:\n  level: warn\nredis:\n  url: \"" + secret + "\"\n");
    ASSERT_EQ(::chmod(sources.file->c_str(), mode), 0);
    const auto by_settings = load_config(sources);
    for (const auto* loaded : {&by_name, &by_settings}) {
      if (is_own) {
        EXPECT_EQ(loaded->values.redis.url, secret) << std::oct << mode;
        continue;
      }
      EXPECT_TRUE(contains(problem_of(*loaded), "holds a secret, and others may use it"))
          << std::oct << mode;
      EXPECT_FALSE(contains(problem_of(*loaded), "hush"));
    }
    fs::remove(*sources.file);
    fs::remove(value_file);
  }
  // What gives nobody access may be read by everybody.
  const auto open = write("open", plain);
  ASSERT_EQ(::chmod(open.c_str(), 0644), 0);
  EXPECT_EQ(load("", {{"MEMSEAL__REDIS__URL_FILE", open.string()}}).values.redis.url, plain);
  ConfigSources sources;
  sources.file = write("two.yaml", "redis:\n  url: redis://db\npostgres:\n  dsn: "
                                   "postgresql://app_user@db/memseal\nkafka:\n  properties:\n"
                                   "    ssl.ca.location: /etc/ca\n");
  ASSERT_EQ(::chmod(sources.file->c_str(), 0644), 0);
  EXPECT_TRUE(load_config(sources).problems.empty());
  write("two.yaml", "kafka:\n  properties:\n    sasl.password: hush\n");
  ASSERT_EQ(::chmod(sources.file->c_str(), 0644), 0);
  EXPECT_TRUE(contains(problem_of(load_config(sources)), "kafka.properties"));
}

// Which file of a secret is taken.
TEST_F(ConfigLayers, AFileOfASecretIsReadOnlyIfItIsAFileOrAPipe) {
  const auto read = [&](const fs::path& file) {
    return load("", {{"MEMSEAL__REDIS__URL_FILE", file.string()}});
  };
  EXPECT_EQ(read(write("empty", "")).values.redis.url, "");
  EXPECT_EQ(read(write("lines", "\r\n\n")).values.redis.url, "");
  fs::create_directory(place / "folder");
  fs::create_symlink("loop", place / "loop");
  const std::pair<fs::path, std::string> rows[] = {
      {place / "missing", "No such file or directory"},
      {place / "folder", "it is a directory, not a file"},
      {place / "loop", "Too many levels of symbolic links"},
      {place / "empty" / "below", "Not a directory"},
      {write("large", std::string((64u << 10) + 1, 'x')), "longer than 65536 bytes"}};
  for (const auto& [file, cause] : rows)
    EXPECT_EQ(problem_of(read(file)),
              "cannot read " + file.string() + ": " + cause + " (env MEMSEAL__REDIS__URL_FILE)");
}

TEST_F(ConfigLayers, ASecretMayComeThroughAPipe) {
  const auto pipe = place / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "redis://db\n"; });
  const auto loaded = load("", {{"MEMSEAL__REDIS__URL_FILE", pipe.string()}});
  writer.join();
  EXPECT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.redis.url, "redis://db");
}

TEST_F(ConfigLayers, AConfigurationThatIsNoFileIsRefusedInPlainWords) {
  const auto file = [](const fs::path& path) {
    ConfigSources sources;
    sources.file = path;
    return problem_of(load_config(sources));
  };
  EXPECT_EQ(file(place), "cannot read " + place.string() + ": it is a directory, not a file");
  EXPECT_EQ(file(place / "missing.yaml"),
            "cannot read " + (place / "missing.yaml").string() +
                ": No such file or directory; `memseal config init` writes one");
}

TEST_F(ConfigLayers, ARelativePathInTheFileStartsAtTheFolderOfTheFile) {
  const auto loaded = load(
      "seal:\n  keyring_file: keys/keyring\n"
      "auth:\n  jwks_file: /etc/jwks.json\n"
      "embedding:\n  model: ./models/small\n  ca_file: \"\"\n"
      "rerank:\n  model: a-name\n");
  ASSERT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.seal.keyring_file, (place / "keys/keyring").string());
  EXPECT_EQ(loaded.values.auth.jwks_file, "/etc/jwks.json");
  EXPECT_EQ(loaded.values.embedding.model, (place / "./models/small").string());
  EXPECT_EQ(loaded.values.rerank.model, "a-name");
  EXPECT_EQ(loaded.values.embedding.ca_file, "");
}

TEST_F(ConfigLayers, ARelativePathElsewhereStartsAtTheWorkingDirectory) {
  const auto loaded = load("log:\n  level: warn\n", {{"MEMSEAL__SEAL__KEYRING_FILE", "keyring"}},
                           {{"auth.jwks_file", "jwks.json"}});
  EXPECT_EQ(loaded.values.seal.keyring_file, "keyring");
  EXPECT_EQ(loaded.values.auth.jwks_file, "jwks.json");
}

TEST_F(ConfigLayers, AVariableThatIsNotReadIsWarnedOf) {
  const std::pair<std::string, std::string> rows[] = {
      {"MEMSEAL_TOKN", "did you mean MEMSEAL_TOKEN?"},
      {"MEMSEAL_LOGLEVEL", "did you mean MEMSEAL__LOG__LEVEL, with two underscores?"},
      {"MEMSEAL_http_listen", "did you mean MEMSEAL__HTTP__LISTEN, with two underscores?"},
      {"MEMSEAL_CA_FILES", "did you mean MEMSEAL_CA_FILE?"}};
  for (const auto& [name, says] : rows) {
    const auto loaded = load("", {{name, "x"}});
    ASSERT_EQ(loaded.warnings.size(), 1u) << name;
    EXPECT_EQ(loaded.warnings[0].message, name + " is not read; " + says);
  }
  // Names that resemble none belong to tests and other programs.
  const auto others = load("", {{"MEMSEAL_TEST_PG_SUPER", "x"}, {"MEMSEAL_PROGRAM", "x"}});
  EXPECT_TRUE(others.warnings.empty());
}

TEST_F(ConfigLayers, AKeyThatTheEnvironmentSetsTwiceIsRefused) {
  const auto file = write("dsn", "postgresql://of/file");
  const std::pair<std::string, std::string> plain{"MEMSEAL__POSTGRES__DSN", "postgresql://plain/x"},
      from_file{"MEMSEAL__POSTGRES__DSN_FILE", file.string()}, empty{"MEMSEAL__POSTGRES__DSN", ""};
  for (const auto& both : {std::vector{plain, from_file}, {from_file, plain}}) {
    const auto loaded = load("", both);
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.problems[0].message, "postgres.dsn is set twice, by " + both[0].first +
                                              " and by " + both[1].first + "; unset one of them");
    EXPECT_EQ(loaded.problems[0].field, "postgres.dsn");
  }
  for (const auto& both : {std::vector{empty, from_file}, {from_file, empty}}) {
    const auto loaded = load("", both);
    EXPECT_TRUE(loaded.problems.empty());
    EXPECT_EQ(loaded.values.postgres.dsn, "postgresql://of/file");
  }
  EXPECT_FALSE(load("", {{"MEMSEAL__LOG__LEVEL", "warn"}, {"MEMSEAL__log__level", "info"}})
                   .problems.empty());
}

TEST_F(ConfigLayers, ANameWithALostUnderscoreIsWarnedOf) {
  const auto loaded = load("", {{"MEMSEAL_LOG_LEVEL", "debug"},
                                {"MEMSEAL__LOG__FORMAT", "json"},
                                {"MEMSEAL_POSTGRES__DSN_FILE", "/run/dsn"},
                                {"MEMSEAL_CONFIG", "x"},
                                {"MEMSEAL_TOKEN", "x"},
                                {"MEMSEAL_MODELS", "x"}});
  EXPECT_TRUE(loaded.problems.empty());
  ASSERT_EQ(loaded.warnings.size(), 2u);
  EXPECT_EQ(loaded.warnings[0].message,
            "MEMSEAL_LOG_LEVEL is not read; did you mean MEMSEAL__LOG__LEVEL, with two "
            "underscores?");
  EXPECT_EQ(loaded.warnings[0].field, "log.level");
  EXPECT_TRUE(contains(loaded.warnings[1].message, "mean MEMSEAL__POSTGRES__DSN_FILE,"));
  EXPECT_EQ(loaded.values.log.level, Config().log.level);
}

}  // namespace
}  // namespace memseal::app
