// `memseal config check` and `memseal config init`, as a person calls them.
#include "app/cli/config_check.hpp"
#include "app/config/secrets.hpp"
#include "pure/crypto/keyring.hpp"
#include "support/contains.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace memseal::app {
namespace {

using test::contains;

using test::Ran, test::run_program;

namespace fs = std::filesystem;

class ConfigCommand : public testing::Test {
 protected:
  Ran check(const std::vector<std::string>& assignments) const {
    std::vector<std::string> words{"config", "check"};
    std::vector<std::string> secrets;  // by the environment, because --set takes none
    for (const auto& assignment : assignments) {
      const auto equals = assignment.find('=');
      const auto key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
      if (holds_secret(key, value)) {
        secrets.push_back(env_name(key));
        ::setenv(secrets.back().c_str(), value.c_str(), 1);
        continue;
      }
      words.push_back("--set");
      words.push_back(assignment);
    }
    auto ran = run_program(words);
    for (const auto& name : secrets) ::unsetenv(name.c_str());
    return ran;
  }

  /// What `serve` would refuse of these values.
  LoadedConfig checked(const std::vector<std::pair<std::string, std::string>>& flags) const {
    ConfigSources sources;
    sources.flags = flags;
    auto loaded = load_config(sources);
    EXPECT_TRUE(loaded.problems.empty());
    check_for_serve(loaded);
    return loaded;
  }

  const test::TempDirectory directory;
  const fs::path place = directory.path();
};

TEST_F(ConfigCommand, CheckFindsWhatServeRefuses) {
  const auto keyring = (place / "keyring").string();
  ASSERT_TRUE(crypto::Keyring::create(keyring));
  const struct {
    std::vector<std::string> assignments;
    std::string part;
  } rows[] = {
      {{"http.listen=foo"}, "http.listen must be address:port"},
      {{"http.listen=127.0.0.1:99999"}, "http.listen must be address:port"},
      {{"redis.url=rediss://default:hush@127.0.0.1:6380/0"}, "needs TLS, which is not built in"},
      {{"redis.url=redsi://127.0.0.1/0"}, "must begin with redis://"},
      {{"postgres.dsn=nonsense"}, "is neither a postgresql:// address"},
      {{"seal.keyring_file=" + keyring, "seal.token_key=00112233"}, "not both: seal.token_key"},
      {{"seal.keyring_file=" + keyring + "-missing"}, "does not exist"},
      {{"auth.jwks_file=" + keyring, "seal.keyring_file=" + keyring}, "auth.jwks_file: flag"},
      {{"auth.jwks_file=/no/such", "seal.keyring_file=" + keyring}, "cannot read auth.jwks_file"},
      {{"files.directory=" + keyring}, "keyring is no directory"},
      {{"embedding.model=/no/such/model"}, "/no/such/model does not exist"},
      {{"rerank.model=/no/such/model"}, "/no/such/model does not exist"},
      {{"embedding.url=https://h/v1", "embedding.remote_model=m", "embedding.ca_file=/no/such"},
       "/no/such"},
      {{"embedding.url=http://h/v1", "embedding.remote_model=m", "embedding.api_key=hush"},
       "embedding.url is plain http"},
      {{"embedding.url=https://h/v1", "embedding.remote_model=a model"}, "visible characters"},
      {{"kafka.brokers=127.0.0.1:1", "kafka.properties=no.such=1"}, "property no.such"},
      {{"kafka.brokers=127.0.0.1:1", "kafka.properties=acks=1"}, "acks is set by memseal itself"},
      {{"kafka.brokers=127.0.0.1:1", "kafka.properties=group.id=1"}, "set by memseal itself"},
      {{"kafka.brokers=127.0.0.1:1", "kafka.group="}, "no consumer group is named"},
  };
  for (const auto& [assignments, part] : rows) {
    const auto ran = check(assignments);
    EXPECT_EQ(ran.code, 2) << assignments.front();
    EXPECT_EQ(ran.out, "") << assignments.front();
    EXPECT_TRUE(contains(ran.err, part)) << assignments.front() << ": " << ran.err;
    EXPECT_FALSE(contains(ran.err, "hush")) << ran.err;
  }
}

TEST_F(ConfigCommand, ASecretOnACommandLineIsRefusedAndNotRepeated) {
  for (const std::string assignment :
       {"postgres.dsn=postgresql://app_user:hush@db/memseal", "postgres.dsn=host=db password=hush",
        "redis.url=redis://:hush@127.0.0.1", "http.admin_token=hush", "seal.token_key=hush",
        "embedding.api_key=hush", "kafka.properties=client.id=me,sasl.password=hush",
        "kafka.properties.sasl.password=hush",
        "postgres.dsn=postgresql://app_user:a?hush@db/memseal",
        "postgres.dsn=postgresql://app_user:a/hush@db/memseal",
        "postgres.dsn=postgresql://db/memseal?user=a&p%61ssword=hush",
        "kafka.properties.sasl.oauthbearer.assertion.private.key.passphrase=hush"}) {
    const auto ran = run_program({"config", "check", "--set", assignment});
    EXPECT_EQ(ran.code, 2) << assignment;
    EXPECT_TRUE(contains(ran.err, "shows a secret to every user of this machine")) << ran.err;
    EXPECT_FALSE(contains(ran.err, "hush")) << ran.err;
  }
  for (const std::string address :
       {"postgresql://app_user@db/memseal?passfile=/etc/pgpass", "host=compass user=app_user",
        "postgresql://app_user@/passports?host=%2Frun%2Fpostgresql", "passfile=/etc/pgpass"})
    EXPECT_FALSE(holds_secret("postgres.dsn", address)) << address;
  EXPECT_TRUE(holds_secret("postgres.dsn", "host=db password = hush"));
  EXPECT_TRUE(holds_secret("postgres.dsn", "host=db sslpassword=hush"));
}

// Bound by row-level security or not: what the service may know of the database.
TEST_F(ConfigCommand, AServiceThatKnowsTheOwnerDoesNotStart) {
  const auto file = (place / "memseal.yaml").string();
  for (const std::string key : {"migrate_dsn", "backup_dsn"}) {
    std::ofstream(file) << "postgres:\n  " << key << ": postgresql://postgres@db/memseal\n";
    const auto ran = run_program({"serve", "-c", file});
    EXPECT_EQ(ran.code, 2);
    const auto said = "postgres." + key + " is set (file " + file + ":2), and a service";
    EXPECT_TRUE(contains(ran.err, said)) << ran.err;
    const auto warned = run_program({"config", "check", "-c", file});
    EXPECT_TRUE(contains(warned.err, "warning: postgres." + key + " is set")) << warned.err;
  }
}

TEST_F(ConfigCommand, CheckTakesWhatServeTakes) {
  const auto keyring = (place / "keyring").string();
  ASSERT_TRUE(crypto::Keyring::create(keyring));
  const auto loaded = checked({{"seal.keyring_file", keyring},
                               {"kafka.brokers", "127.0.0.1:1"},
                               {"kafka.properties", "client.id=me"},
                               {"postgres.dsn", "postgresql://app_user@db/memseal"}});
  for (const auto& problem : loaded.problems) ADD_FAILURE() << problem.message;
  for (const auto& warning : loaded.warnings)
    EXPECT_EQ(warning.field, "embedding.model") << warning.message;  // No models on this machine.
}

TEST_F(ConfigCommand, WhatServeNeedsAndDevBringsIsAWarning) {
  std::vector<std::string> keys;
  for (const auto& warning : checked({}).warnings)
    if (contains(warning.message, "`memseal serve` needs it")) keys.push_back(warning.field);
  const std::vector<std::string> expected{"seal.keyring_file", "kafka.brokers", "postgres.dsn"};
  EXPECT_EQ(keys, expected);
  const auto ran = check({});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "the configuration is sound\n");
  EXPECT_TRUE(contains(ran.err, "memseal: warning: postgres.dsn is not set")) << ran.err;
}

TEST_F(ConfigCommand, TextsInClearTextOverANetworkAreAWarning) {
  const auto warned = [&](const std::string& url) {
    for (const auto& warning :
         checked({{"embedding.url", url}, {"embedding.remote_model", "m"}}).warnings)
      if (warning.field == "embedding.url") return warning.message;
    return std::string();
  };
  EXPECT_TRUE(contains(warned("http://embedder:8080/v1"), "travel in clear text; use https://"));
  EXPECT_EQ(warned("https://embedder/v1"), "");
  EXPECT_EQ(warned("http://127.0.0.1:8080/v1"), "");
  EXPECT_EQ(warned("http://localhost:8080/v1"), "");
}

TEST_F(ConfigCommand, AFolderWithoutAModelIsFound) {
  for (const std::string key : {"embedding.model", "rerank.model"}) {
    const auto loaded = checked({{key, place.string()}});
    ASSERT_EQ(loaded.problems.size(), 1u) << key;
    EXPECT_EQ(loaded.problems.front().field, key);
  }
}

TEST_F(ConfigCommand, AFolderAsConfigurationIsRefusedInPlainWords) {
  for (const auto* command : {"check", "show"}) {
    const auto ran = run_program({"-c", place.string(), "config", command});
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.err,
              "memseal: cannot read " + place.string() + ": it is a directory, not a file\n");
  }
}

TEST_F(ConfigCommand, InitWritesTheTemplateForItsOwnerAlone) {
  const auto file = place / "memseal.yaml";
  EXPECT_EQ(run_program({"config", "init", file.string()}).code, 0);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::ifstream in(file);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(in), {}}), config_template());
}

TEST_F(ConfigCommand, InitSaysPlainlyWhyItDidNotWrite) {
  const auto file = place / "there";
  std::ofstream(file) << "mine";
  const std::pair<fs::path, std::string> rows[] = {
      {file, file.string() + " exists already; memseal does not overwrite it"},
      {place, place.string() + " exists already; memseal does not overwrite it"},
      {file / "below", "cannot write " + (file / "below").string() + ": Not a directory"},
      {"/proc/memseal.yaml", "cannot write /proc/memseal.yaml: No such file or directory"},
      {place / "no/such",
       "cannot write " + (place / "no/such").string() + ": No such file or directory"}};
  for (const auto& [path, sentence] : rows) {
    const auto ran = run_program({"config", "init", path.string()});
    EXPECT_EQ(ran.code, 1);
    EXPECT_EQ(ran.err, "memseal: " + sentence + "\n");
  }
  std::ifstream in(file);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(in), {}}), "mine");
}

TEST_F(ConfigCommand, TablePrintsThePageOfSettings) {
  const auto ran = run_program({"config", "table"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, settings_table());
}

}  // namespace
}  // namespace memseal::app
