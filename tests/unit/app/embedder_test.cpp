// The choice between the embedder in this process and somebody else's endpoint.
#include "support/model_files.hpp"
#include "../openai/server.hpp"
#include "app/service/wiring.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace memseal::app {
namespace {

using model::testing::ModelSpec;
using openai::testing::Server;

class Embedding : public testing::Test {
 protected:
  Embedding() {
    model::testing::write_model(place.path(), {.hidden = 32, .layers = 1, .positions = 64});
    config.embedding.model = place.path().string();
  }
  ~Embedding() override { cpu.join(); }

  LoadedConfig load(std::vector<std::pair<std::string, std::string>> environment) {
    ConfigSources sources;
    sources.environment = std::move(environment);
    return load_config(sources);
  }

  /// 32 bytes in hex.
  static std::string key_of(char first) {
    std::string key;
    for (const char digit : std::string_view("0123456789abcdef"))
      key += {first, digit, digit, first};
    return key;
  }

  model::testing::TempDirectory place;
  model::ModelPool cpu{1};
  Config config;
};

TEST_F(Embedding, HappensHereByDefault) {
  const auto chosen = make_embedder(config, cpu);
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ((*chosen)->dimension(), 32u);
  EXPECT_EQ(chosen->tokens_max(), 64u);
  EXPECT_NE(chosen->description().find("BertModel"), std::string::npos);
}

TEST_F(Embedding, HappensAtTheEndpointThatIsConfiguredAndChunksAreCutHere) {
  Server server(openai::testing::embed_lengths);
  config.embedding.url = server.url();
  config.embedding.remote_model = "elsewhere";
  config.embedding.api_key = "sk-secret";
  const auto chosen = make_embedder(config, cpu);
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ((*chosen)->dimension(), 3u);
  EXPECT_EQ((*chosen)->model_name(), "elsewhere");
  EXPECT_GT(chosen->tokenizer().vocabulary_size(), 50u);
  EXPECT_EQ(chosen->tokens_max(), limits::chunk_tokens_max + 2);
  EXPECT_EQ(server.seen().front().authorization, "Bearer sk-secret");

  const auto keyring = crypto::Keyring::from_keys(key_of('1'), key_of('2'), key_of('3'));
  ASSERT_TRUE(keyring) << keyring.error().message;
  const auto facts = deployment_fingerprint(*keyring, **chosen);  // What a mismatch is refused by.
  EXPECT_EQ(facts.dimension, 3u);
  EXPECT_EQ(facts.model, "elsewhere");
}

TEST_F(Embedding, HasNoFallbackWhenTheEndpointRefuses) {
  Server server([](const auto&) -> openai::testing::Reply { return {.status = 403}; });
  config.embedding.url = server.url();
  config.embedding.remote_model = "elsewhere";
  const auto chosen = make_embedder(config, cpu);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, Errc::bad_config);
}

TEST_F(Embedding, NeedsTheEndpointAndItsModelTogether) {
  const auto lone = load({{"MEMSEAL__EMBEDDING__URL", "https://api.example.com/v1"}});
  ASSERT_EQ(lone.problems.size(), 1u);
  EXPECT_NE(lone.problems[0].message.find("embedding.remote_model"), std::string::npos);
  EXPECT_EQ(load({{"MEMSEAL__EMBEDDING__REMOTE_MODEL", "m"}}).problems.size(), 1u);
  EXPECT_TRUE(load({{"MEMSEAL__EMBEDDING__URL", "https://api.example.com/v1"},
                    {"MEMSEAL__EMBEDDING__REMOTE_MODEL", "m"}})
                  .problems.empty());
}

TEST_F(Embedding, ReadsItsKeyFromAFileAndNeverShowsIt) {
  const auto file = place.path() / "key";
  model::testing::write_file(file, "sk-from-a-file\n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const auto loaded = load({{"MEMSEAL__EMBEDDING__API_KEY_FILE", file.string()}});
  ASSERT_TRUE(loaded.problems.empty());
  EXPECT_EQ(loaded.values.embedding.api_key, "sk-from-a-file");
  const auto& all = settings();
  const auto key = std::find_if(all.begin(), all.end(), [](const auto& setting) {
    return setting.key == "embedding.api_key";
  });
  ASSERT_NE(key, all.end());
  EXPECT_TRUE(key->secret);
}

}  // namespace
}  // namespace memseal::app
