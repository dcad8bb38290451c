// Who may write, from the settings: where `open` is allowed, and the file of the producers.
#include "app/service/producers.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace memseal::app {
namespace {

namespace fs = std::filesystem;

TEST(OpenProducers, AreForLoopbackOnly) {
  Config config;
  config.kafka.producers = "open";
  for (const auto* brokers : {"", "127.0.0.1:9092", "localhost:9092,[::1]:9093", "::1:9092"}) {
    config.kafka.brokers = brokers;
    EXPECT_TRUE(check_open_producers(config)) << brokers;
  }
  for (const auto* brokers : {"kafka:9092", "127.0.0.1:9092,10.0.0.1:9092", "127.0.0.1.evil:1",
                              "127.0.0.1:9092,", "0.0.0.0:9092", "SASL_SSL://127.0.0.1:9092"}) {
    config.kafka.brokers = brokers;
    const bool is_sound = check_open_producers(config).has_value();
    EXPECT_EQ(is_sound, std::string(brokers).ends_with(',')) << brokers;
  }
  config.kafka.brokers = "127.0.0.1:9092";
  config.http.listen = "0.0.0.0:7400";
  EXPECT_FALSE(check_open_producers(config));
  config.http.listen = "127.0.0.1:7400";
  config.http.admin_listen = "10.0.0.1:7401";
  EXPECT_FALSE(check_open_producers(config));
  config.http.admin_listen = "off";
  EXPECT_TRUE(check_open_producers(config));
  config.http.listen = "0.0.0.0:7400";
  config.kafka.producers = "signed";
  EXPECT_TRUE(check_open_producers(config)) << "others may listen anywhere";
}

struct ProducersFileTest : testing::Test {
  producers::Registry registry_of(crypto::SignatureAlgorithm algorithm) const {
    Bytes secret(32, 1);
    secret[0] = 2;
    const auto key = crypto::SigningKey::from_bytes(algorithm, secret).value();
    producers::Producer producer{
        .name = "crm", .tenants = {"*"}, .sources = {"/crm"}, .topics = {"t"}, .keys = {}};
    producer.keys.push_back({"k1", key.verifying_key()});
    producers::Registry registry;
    EXPECT_TRUE(registry.add(producer));
    return registry;
  }
  fs::perms mode() const { return fs::status(file).permissions(); }
  std::string why() const { return read_producers(file).error().message; }

  test::TempDirectory folder;
  fs::path file = folder.path() / "producers.json";
};

TEST_F(ProducersFileTest, IsWrittenForItsOwnerAndReadBack) {
  const auto registry = registry_of(crypto::SignatureAlgorithm::ed25519);
  ASSERT_TRUE(write_producers(file, registry));
  EXPECT_EQ(mode(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(read_producers(file)->file(), registry.file());
  fs::permissions(file, fs::perms(0644));
  ASSERT_TRUE(write_producers(file, registry));
  EXPECT_EQ(mode(), fs::perms(0644)) << "the mode that an operator gave stays";
  EXPECT_TRUE(read_producers(file));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST_F(ProducersFileTest, IsRefusedWhereOthersMayWriteIt) {
  ASSERT_TRUE(write_producers(file, registry_of(crypto::SignatureAlgorithm::ed25519)));
  for (const unsigned bits : {0620u, 0602u, 0666u}) {
    fs::permissions(file, fs::perms(bits));
    ASSERT_FALSE(read_producers(file)) << bits;
    EXPECT_NE(why().find("chmod go-w"), std::string::npos);
  }
}

TEST_F(ProducersFileTest, IsRefusedWhereOthersReadASecret) {
  ASSERT_TRUE(write_producers(file, registry_of(crypto::SignatureAlgorithm::ed25519)));
  fs::permissions(file, fs::perms(0644));
  ASSERT_TRUE(write_producers(file, registry_of(crypto::SignatureAlgorithm::hmac_sha256)));
  EXPECT_EQ(mode(), fs::perms(0600)) << "a secret came in";
  ASSERT_TRUE(read_producers(file));
  fs::permissions(file, fs::perms(0640));
  EXPECT_NE(why().find("chmod 600"), std::string::npos);
}

TEST_F(ProducersFileTest, IsReadAgainWhenItChanges) {
  const auto own = crypto::SigningKey::random(crypto::SignatureAlgorithm::hmac_sha256);
  producers::Gate gate(own.verifying_key(), {});
  runtime::Metrics metrics;
  EXPECT_THROW(ProducersFile(file, gate, metrics), Refused) << "it is not there";
  ASSERT_TRUE(write_producers(file, registry_of(crypto::SignatureAlgorithm::ed25519)));
  ProducersFile watched(file, gate, metrics);
  EXPECT_TRUE(gate.registry()->find("k1"));
  ASSERT_TRUE(write_producers(file, producers::Registry{}));
  watched.refresh(false);
  EXPECT_FALSE(gate.registry()->find("k1"));
  ASSERT_TRUE(write_producers(file, registry_of(crypto::SignatureAlgorithm::ed25519)));
  watched.refresh(false);
  std::ofstream(file) << "{";
  watched.refresh(false);
  EXPECT_TRUE(gate.registry()->find("k1")) << "what was sound before counts";
  EXPECT_NE(metrics.render().find("\nmemseal_producers_file_refused 1"), std::string::npos);
}

}  // namespace
}  // namespace memseal::app
