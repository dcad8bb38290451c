#include "cases/lifecycle/tenant_keys.hpp"

#include "base/limits.hpp"
#include "fakes/key_store.hpp"
#include "support/run_loop.hpp"
#include "support/temp_directory.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace memseal::lifecycle {
namespace {

using namespace std::chrono_literals;

crypto::Keyring new_keyring() {
  const test::TempDirectory directory;
  const auto file = directory / "keyring";
  EXPECT_TRUE(crypto::Keyring::create(file));
  auto keyring = crypto::Keyring::load(file);
  return std::move(keyring).value();
}

crypto::Tenant tenant(const std::string& user) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
  return keyer.tenant_of(UserId::parse(user).value());
}

class TenantKeys : public testing::Test {
 protected:
  template <class T>
  T await(asio::awaitable<T> work) {
    std::optional<T> value;
    const auto kept = [&]() -> asio::awaitable<void> { value.emplace(co_await std::move(work)); };
    test::run_to_end(loop_, kept());
    return std::move(value).value();
  }
  ports::TenantKeyPtr sealing() { return await(keys_.sealing_key({"test"}, owner_)); }
  ports::TenantKeyPtr opening(std::uint32_t id) {
    return await(keys_.opening_key({"test"}, owner_, id));
  }

  asio::io_context loop_{1};
  runtime::Metrics metrics_;
  KeyMetrics counts_{metrics_};
  const crypto::Keyring keyring_ = new_keyring();
  const crypto::Tenant owner_ = tenant("user");
  fakes::KeyStore rows_;
  CachedTenantKeys keys_{rows_, keyring_, counts_};
};

using Calls = std::vector<std::string>;

TEST_F(TenantKeys, LocksBeforeItReadsAndMakesTheFirstKey) {
  EXPECT_EQ(sealing()->id, 1u);
  EXPECT_EQ(rows_.calls, (Calls{"lock_tenant", "lock_seals", "read", "insert 1", "read"}));
}

TEST_F(TenantKeys, MakesNoTenantWhereOnlyAKnownOneIsWanted) {
  const auto known = [&] { return await(keys_.known_sealing_key({"test"}, owner_)); };
  rows_.known = false;
  EXPECT_EQ(known(), nullptr);
  EXPECT_EQ(rows_.calls, Calls{"knows_tenant"});
  rows_.known = true;
  EXPECT_EQ(known()->id, 1u) << "a tenant that is known gets its first key as ever";
  EXPECT_EQ(known(), sealing()) << "and from the cache";
  EXPECT_EQ(rows_.transactions, 2);
}

TEST_F(TenantKeys, SealsFromTheCacheWithoutATransaction) {
  const auto first = sealing();
  EXPECT_EQ(sealing(), first);
  EXPECT_EQ(opening(1), first);
  EXPECT_EQ(rows_.transactions, 1);
  EXPECT_EQ(counts_.cache_hits.Value(), 2);
  EXPECT_EQ(counts_.cache_misses.Value(), 1);
}

TEST_F(TenantKeys, AFullKeyEndsBeforeItsSuccessorIsMade) {
  (void)sealing();
  rows_.seals = limits::seals_per_key_max;
  rows_.calls.clear();
  CachedTenantKeys later(rows_, keyring_, counts_);
  EXPECT_EQ(await(later.sealing_key({"test"}, owner_))->id, 2u);
  EXPECT_EQ(rows_.calls, (Calls{"lock_tenant", "lock_seals", "read", "end_active",
                                "restart_seals", "insert 2", "read"}));
  EXPECT_TRUE(await(later.opening_key({"test"}, owner_, 1)));
}

TEST_F(TenantKeys, AQueryThatLoadedTheKeysDoesNotHideThatTheKeyIsFull) {
  (void)sealing();
  rows_.seals = limits::seals_per_key_max;
  CachedTenantKeys process(rows_, keyring_, counts_);
  EXPECT_TRUE(await(process.opening_key({"test"}, owner_, 1)));
  EXPECT_EQ(await(process.sealing_key({"test"}, owner_))->id, 2u);
}

TEST_F(TenantKeys, NumbersAKeyAfterEveryKeyThatEverWas) {
  rows_.newest = 7;  // generation 7 was retired: read() leaves it out
  EXPECT_EQ(sealing()->id, 8u);
}

TEST_F(TenantKeys, TakesTheRowThatAnotherProcessInsertedFirst) {
  rows_.rival = keyring_.make_tenant_key(owner_, 1).value();
  const auto key = sealing();
  const auto theirs = keyring_.unwrap(owner_, *rows_.rival).value();
  EXPECT_TRUE(std::equal(key->key.view().begin(), key->key.view().end(),
                         theirs.key.view().begin(), theirs.key.view().end()));
}

TEST_F(TenantKeys, AskingForAKeyThatWasNeverMadeMakesNone) {
  EXPECT_EQ(opening(1), nullptr);
  EXPECT_EQ(rows_.calls, (Calls{"read"}));
}

/// A keyring that another process replaces: what latest() finds, now() does not know yet.
class Rotated final : public ports::KeyringSource {
 public:
  explicit Rotated(std::shared_ptr<const crypto::Keyring> before) : now_(std::move(before)) {}
  std::shared_ptr<const crypto::Keyring> now() const override { return now_; }
  std::shared_ptr<const crypto::Keyring> latest() override {
    ++looks;
    if (next) now_ = next;
    return now_;
  }
  std::shared_ptr<const crypto::Keyring> next;
  int looks = 0;

 private:
  std::shared_ptr<const crypto::Keyring> now_;
};

TEST_F(TenantKeys, LooksForANewerKeyringWhereOneIsNeeded) {
  const test::TempDirectory directory;
  const auto file = directory / "keyring";
  ASSERT_TRUE(crypto::Keyring::create(file));
  const auto load = [&] {
    return std::make_shared<const crypto::Keyring>(crypto::Keyring::load(file).value());
  };
  Rotated keyring(load());
  CachedTenantKeys keys(rows_, keyring, counts_);
  const auto first = await(keys.sealing_key({"test"}, owner_));
  EXPECT_EQ(rows_.keys.at(0).key.kek_epoch, 1u);
  ASSERT_EQ(crypto::Keyring::stage(file, crypto::RootKey::kek).value(), 2u);
  ASSERT_TRUE(crypto::Keyring::promote(file, crypto::RootKey::kek, 2));
  const auto rotated = load();
  rows_.keys.at(0).key = rotated->rewrap(owner_, rows_.keys.at(0).key).value();

  // The new keyring has not come here yet. That is an operator's fault and no event's.
  keys.forget_all();
  try {
    (void)await(keys.opening_key({"test"}, owner_, 1));
    ADD_FAILURE() << "opened without the key";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.error().code, Errc::bad_config);
    EXPECT_TRUE(errc_row(refused.error().code).setup());
  }
  keyring.next = rotated;
  const auto again = await(keys.opening_key({"test"}, owner_, 1));
  EXPECT_TRUE(std::ranges::equal(again->key.view(), first->key.view()));

  rows_.keys.clear();
  rows_.newest = 1;
  keys.forget_all();
  EXPECT_EQ(await(keys.sealing_key({"test"}, owner_))->id, 2u);
  EXPECT_EQ(rows_.keys.at(0).key.kek_epoch, 2u) << "a new key is wrapped by the newest KEK";
}

TEST_F(TenantKeys, AWrongKeyringIsAnOperatorsFaultAndADamagedRowIsNot) {
  (void)sealing();
  const auto code_of = [&](ports::KeyringSource& source) {
    try {
      CachedTenantKeys keys(rows_, source, counts_);
      (void)await(keys.opening_key({"test"}, owner_, 1));
    } catch (const Failure& failed) {
      return failed.error().code;
    }
    return Errc::internal;
  };
  const auto ours = std::make_shared<const crypto::Keyring>(new_keyring());
  const auto right = std::shared_ptr<const crypto::Keyring>(std::shared_ptr<void>(), &keyring_);
  ports::FixedKeyring wrong(ours), sound(right);
  rows_.kek_checks = keyring_.kek_checks();
  EXPECT_EQ(code_of(wrong), Errc::bad_config) << "KEK 1 is another one than the recorded";
  Rotated renewed(ours);
  renewed.next = right;
  CachedTenantKeys later(rows_, renewed, counts_);
  EXPECT_TRUE(await(later.opening_key({"test"}, owner_, 1))) << "the file is looked at again";
  EXPECT_EQ(renewed.looks, 1);

  auto& row = rows_.keys.at(0).key;
  row.wrapped[40] ^= 1;
  EXPECT_EQ(code_of(sound), Errc::open_failed) << "the keyring is right, so the row is damaged";
  row.wrapped[40] ^= 1;
  row.kek_epoch = 7;
  EXPECT_EQ(code_of(sound), Errc::bad_config);

  // A keyring that is too new: its KEK 1 was retired while a row still needs it.
  const test::TempDirectory directory;
  const auto file = directory / "keyring";
  ASSERT_TRUE(crypto::Keyring::create(file));
  ASSERT_EQ(crypto::Keyring::stage(file, crypto::RootKey::kek).value(), 2u);
  ASSERT_TRUE(crypto::Keyring::promote(file, crypto::RootKey::kek, 2));
  ASSERT_TRUE(crypto::Keyring::remove(file, crypto::RootKey::kek, 1));
  ports::FixedKeyring without(
      std::make_shared<const crypto::Keyring>(crypto::Keyring::load(file).value()));
  row.kek_epoch = 1;
  EXPECT_EQ(code_of(without), Errc::bad_config);
}

TEST_F(TenantKeys, AnErasedTenantIsForgottenAndSaidToBeErased) {
  const auto code_of = [](const auto& call) {
    try {
      call();
    } catch (const Refused& refused) {
      return refused.error().code;
    }
    return Errc::internal;
  };
  for (const bool all : {false, true}) {
    rows_ = {};
    const auto held = sealing();
    rows_.erase();
    EXPECT_EQ(opening(1), held) << "the cache has not heard of it";
    all ? keys_.forget_all() : keys_.forget(owner_);
    EXPECT_EQ(code_of([&] { (void)opening(1); }), Errc::tenant_erased);
    EXPECT_EQ(code_of([&] { (void)sealing(); }), Errc::tenant_erased);
  }
}

}  // namespace
}  // namespace memseal::lifecycle
