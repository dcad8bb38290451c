#include "app/service/live_keyring.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <filesystem>
#include <fstream>

namespace memseal::app {
namespace {

namespace fs = std::filesystem;
using crypto::Keyring;
using crypto::RootKey;

struct LiveKeyringTest : testing::Test {
  LiveKeyringTest() {
    EXPECT_TRUE(Keyring::create(file));
    config.seal.keyring_file = file.string();
    keyring.emplace(config, metrics, [this](const Keyring& next) { told = next.kek_epoch(); });
  }
  void rotate() {
    const auto next = Keyring::stage(file, RootKey::kek).value();
    ASSERT_TRUE(Keyring::promote(file, RootKey::kek, next));
  }
  bool refused() const {
    return metrics.render().find("\nmemseal_keyring_refused 1") != std::string::npos;
  }

  test::TempDirectory folder;
  const fs::path file = folder / "keyring";
  Config config;
  runtime::Metrics metrics;
  std::uint32_t told = 0;
  std::optional<LiveKeyring> keyring;
};

TEST_F(LiveKeyringTest, TakesOverWhatWasRotatedAndTellsIt) {
  const auto before = keyring->now();
  EXPECT_EQ(keyring->latest(), before) << "the file is the same";
  rotate();
  EXPECT_EQ(keyring->now(), before) << "nobody has looked yet";
  EXPECT_EQ(keyring->latest()->kek_epoch(), 2u);
  EXPECT_EQ(told, 2u);
  EXPECT_EQ(before->kek_epoch(), 1u) << "who holds the old one keeps it";
  EXPECT_NE(metrics.render().find("\nmemseal_keyring_kek_epoch 2"), std::string::npos);
}

TEST_F(LiveKeyringTest, KeepsWhatItHasWhereTheFileCannotBeUsed) {
  const auto old = folder / "old";
  fs::copy_file(file, old);
  rotate();
  ASSERT_EQ(keyring->latest()->kek_epoch(), 2u);
  std::string text;
  {
    std::ifstream in(file);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto expect_kept = [&](const char* why) {
    EXPECT_EQ(keyring->latest()->kek_epoch(), 2u) << why;
    EXPECT_TRUE(refused()) << why;
  };
  const auto write = [&](const std::string& content) { std::ofstream(file) << content; };
  write(text.substr(0, text.size() / 2));
  expect_kept("cut");
  write(text);
  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  expect_kept("others may read it");
  fs::remove(file);
  expect_kept("gone");
  ASSERT_TRUE(Keyring::create(file));
  expect_kept("the keyring of another deployment");
  fs::copy_file(old, file, fs::copy_options::overwrite_existing);
  expect_kept("an old copy, without the key that wraps what was made since");
  fs::remove(file);
  write(text);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  rotate();
  EXPECT_EQ(keyring->latest()->kek_epoch(), 3u) << "sound again";
  EXPECT_FALSE(refused());
}

// Two copies were each given a staged key; the one that was rotated has the last word.
TEST_F(LiveKeyringTest, TakesAnotherKeyForOneThatWasOnlyStaged) {
  const auto other = folder / "other";
  fs::copy_file(file, other);
  ASSERT_EQ(Keyring::stage(other, RootKey::kek).value(), 2u);
  fs::copy_file(other, file, fs::copy_options::overwrite_existing);
  ASSERT_EQ(keyring->latest()->newest_kek(), 2u);
  const auto staged = keyring->now();
  ASSERT_TRUE(Keyring::remove(other, RootKey::kek, 2));
  ASSERT_EQ(Keyring::stage(other, RootKey::kek).value(), 2u);
  ASSERT_TRUE(Keyring::promote(other, RootKey::kek, 2));
  fs::copy_file(other, file, fs::copy_options::overwrite_existing);
  EXPECT_EQ(keyring->latest()->kek_epoch(), 2u);
  EXPECT_NE(keyring->now()->kek_checks().at(2), staged->kek_checks().at(2));
}

// As where the process has no descriptor left for a moment: the file itself never changes.
TEST_F(LiveKeyringTest, LooksAgainAfterAReadThatFailed) {
  rotate();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  auto none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto meanwhile = keyring->latest()->kek_epoch();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(meanwhile, 1u);
  EXPECT_TRUE(refused());
  EXPECT_EQ(keyring->latest()->kek_epoch(), 2u);
  EXPECT_FALSE(refused());
}

TEST_F(LiveKeyringTest, KeysGivenOneByOneStayAsTheyAre) {
  config.seal.tenant_hmac_key = std::string(63, '1') + "a";
  config.seal.encryption_key = std::string(63, '2') + "a";
  config.seal.token_key = std::string(63, '3') + "a";
  runtime::Metrics others;
  LiveKeyring given(config, others, {});
  const auto before = given.now();
  rotate();
  given.refresh(true);
  EXPECT_EQ(given.latest(), before);
}

}  // namespace
}  // namespace memseal::app
