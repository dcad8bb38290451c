#include "pure/crypto/keyring.hpp"

#include "pure/crypto/internal/keyring_file.hpp"
#include "pure/crypto/secret_file.hpp"
#include "support.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

const std::string key_a = codec::encode_base64(key_of(1).view(), codec::Base64::standard);
const std::string key_b = codec::encode_base64(key_of(2).view(), codec::Base64::standard);
const std::string key_c = codec::encode_base64(key_of(3).view(), codec::Base64::standard);

Keyring ring() { return Keyring::from_keys(key_a, key_b, key_c).value(); }

void write(const std::filesystem::path& file, std::string_view content, mode_t mode = 0600) {
  std::ofstream(file, std::ios::binary) << content;
  ASSERT_EQ(chmod(file.c_str(), mode), 0);
}

TEST(Keyring, CreatesAFileThatOnlyItsOwnerReadsAndLoadsIt) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  struct stat status {};
  ASSERT_EQ(stat((folder / "keys").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto one = Keyring::load(folder / "keys"), again = Keyring::load(folder / "keys");
  ASSERT_TRUE(one && again);
  EXPECT_EQ(one->tenant_key_check(), again->tenant_key_check());
  EXPECT_EQ(one->token_key().size(), 32u);
  EXPECT_EQ(one->kek_epoch(), 1u);
}

TEST(Keyring, LeavesNoDraftBehindAndNeverOverwrites) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  const auto before = read_file(folder / "keys");
  const auto second = Keyring::create(folder / "keys");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::key_invalid);
  EXPECT_EQ(read_file(folder / "keys"), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / ""), {}), 1);
  EXPECT_EQ(Keyring::create(folder / "missing" / "keys").error().code, Errc::key_invalid);
}

TEST(Keyring, ReplacesAFileAndLeavesItToWhoUsesIt) {
  const test::TempDirectory folder;
  write(folder / "keys", "old", 0400);
  // Only root may give a file to the user of a service.
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(chown((folder / "keys").c_str(), 12'345, 23'456), 0);
  }
  ASSERT_TRUE(write_secret_file(folder / "keys", bytes("new"), true));
  EXPECT_EQ(read_file(folder / "keys"), "new");
  struct stat status {};
  ASSERT_EQ(stat((folder / "keys").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0400u);
  EXPECT_EQ(status.st_uid, root ? 12'345u : geteuid());
  if (root) {
    EXPECT_EQ(status.st_gid, 23'456u);
  }
  EXPECT_FALSE(write_secret_file(folder / "none", bytes("new"), true));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / ""), {}), 1);
}

TEST(Keyring, ReplacesTheFileOfALinkAndNotTheLink) {
  const test::TempDirectory folder;
  std::filesystem::create_directory(folder / "store");
  ASSERT_TRUE(Keyring::create(folder / "store" / "keys"));
  std::filesystem::create_symlink("store/keys", folder / "keys");
  ASSERT_EQ(Keyring::stage(folder / "keys", RootKey::kek).value(), 2u);
  ASSERT_TRUE(Keyring::promote(folder / "keys", RootKey::kek, 2));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "keys"));
  EXPECT_EQ(Keyring::load(folder / "store" / "keys")->kek_epoch(), 2u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "store"), {}), 1);
}

TEST(Keyring, MakesEveryKeyOfItsOwn) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  const auto keys = parse_keyring(read_file(folder / "keys")).value();
  const std::set<std::string> different{hex(keys.tenant.view()), hex(keys.ids.view()),
                                        hex(keys.token.keys.at(1).view()),
                                        hex(keys.dead_letters.keys.at(1).view()),
                                        hex(keys.keks.keys.at(1).view())};
  EXPECT_EQ(different.size(), 5u);
}

TEST(Keyring, RefusesAMissingFileAndNamesTheFix) {
  const auto loaded = Keyring::load("/nonexistent/keys");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::key_missing);
  EXPECT_NE(loaded.error().message.find("memseal keys init"), std::string::npos);
}

TEST(Keyring, RefusesAFileThatOthersMayTouchOrThatIsNone) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  const auto good = read_file(folder / "keys");
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0644u, 0666u, 0610u, 0601u}) {
    write(folder / "open", good, mode);
    const auto loaded = Keyring::load(folder / "open");
    ASSERT_FALSE(loaded) << std::oct << mode;
    EXPECT_EQ(loaded.error().code, Errc::key_invalid);
    EXPECT_NE(loaded.error().message.find("chmod 600"), std::string::npos);
  }
  write(folder / "read-only", good, 0400);
  EXPECT_TRUE(Keyring::load(folder / "read-only"));
  EXPECT_EQ(Keyring::load(folder / "").error().code, Errc::key_invalid) << "a folder";
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(Keyring::load(folder / "pipe").error().code, Errc::key_invalid) << "a pipe";
  write(folder / "long", good + std::string(keyring_file_bytes_max, '\n'));
  EXPECT_EQ(Keyring::load(folder / "long").error().code, Errc::key_invalid);
  write(folder / "empty", "");
  EXPECT_EQ(Keyring::load(folder / "empty").error().code, Errc::key_invalid);
  std::filesystem::create_symlink("loop", folder / "loop");
  const auto unreadable = Keyring::load(folder / "loop");
  EXPECT_EQ(unreadable.error().code, Errc::key_invalid);
  EXPECT_NE(unreadable.error().message.find(std::strerror(ELOOP)), std::string::npos);
}

// Kubernetes mounts secrets as root:group 0440, and systemd shows the mask of an access list there.
TEST(Keyring, OnlyRootGivesAFileToAGroupAndOnlyForReading) {
  constexpr uid_t root = 0, service = 10'001, other = 10'002;
  EXPECT_FALSE(others_may_use(0440, root, service));
  EXPECT_FALSE(others_may_use(0640, root, service));
  for (const mode_t mode : {0660u, 0450u, 0444u, 0442u, 0441u, 0604u})
    EXPECT_TRUE(others_may_use(mode, root, service)) << std::oct << mode;
  EXPECT_TRUE(others_may_use(0440, service, service));
  EXPECT_TRUE(others_may_use(0440, other, service));
  EXPECT_TRUE(others_may_use(0440, root, root)) << "root reads it without a group";
  EXPECT_FALSE(others_may_use(0400, root, service));
  EXPECT_FALSE(others_may_use(0600, service, service));
  // Its owner may change the mode at any time.
  EXPECT_TRUE(others_may_use(0400, other, service));
  EXPECT_TRUE(others_may_use(0600, other, root));
}

TEST(Keyring, RefusesAMalformedFileByLine) {
  const std::string head = "version: 1\n";
  const std::string most = "tenant: " + key_a + "\nids: " + key_b + "\ntoken: " + key_c + "\n";
  const std::string dead = "dead_letters: " + key_a + "\n", kek = "kek_1: " + key_b + "\n";
  const std::string good = head + most + dead + kek;
  ASSERT_TRUE(parse_keyring(good));
  ASSERT_TRUE(parse_keyring("# note\n\n" + good + "\n# end")) << "notes and empty lines are fine";
  ASSERT_TRUE(parse_keyring(head + kek + dead + most)) << "in any order";
  const auto short_key = codec::encode_base64(key_of(1, 31).view(), codec::Base64::standard);
  const auto long_key = codec::encode_base64(key_of(1, 129).view(), codec::Base64::standard);
  const auto key_33 = codec::encode_base64(key_of(1, 33).view(), codec::Base64::standard);
  const auto zeros = codec::encode_base64(Bytes(32), codec::Base64::standard);
  const std::pair<const char*, std::string> bad[] = {
      {"empty", ""},
      {"no version", most + dead + kek},
      {"version last", most + dead + kek + head},
      {"another version", "version: 3\n" + most + dead + kek},
      {"version 2 with names of version 1", "version: 2\n" + most + dead + kek},
      {"version 1 with names of version 2", good + "token_2: " + key_a},
      {"version 1 with a current key", good + "kek_current: 1"},
      {"version twice", head + head + most + dead + kek},
      {"no tenant", head + "ids: " + key_b + "\ntoken: " + key_c + "\n" + dead + kek},
      {"no ids", head + "tenant: " + key_b + "\ntoken: " + key_c + "\n" + dead + kek},
      {"no token", head + "ids: " + key_b + "\ntenant: " + key_c + "\n" + dead + kek},
      {"no dead letters", head + most + kek},
      {"no kek", head + most + dead},
      {"a key twice", good + dead},
      {"a kek twice", good + kek},
      {"kek 0", good + "kek_0: " + key_a},
      {"kek 01", good + "kek_01: " + key_a},
      {"kek without number", good + "kek_: " + key_a},
      {"kek beyond 32 bits", good + "kek_4294967296: " + key_a},
      {"kek -1", good + "kek_-1: " + key_a},
      {"kek of 33 bytes", good + "kek_2: " + key_33},
      {"short key", head + most + "dead_letters: " + short_key + "\n" + kek},
      {"long key", head + most + "dead_letters: " + long_key + "\n" + kek},
      {"zeros", head + most + "dead_letters: " + zeros + "\n" + kek},
      {"empty value", head + most + "dead_letters: \n" + kek},
      {"no value", head + most + "dead_letters:\n" + kek},
      {"no space", head + most + "dead_letters:" + key_a + "\n" + kek},
      {"no name", good + ": " + key_a},
      {"unknown name", good + "other: " + key_a},
      {"leading space", good + " kek_2: " + key_a},
      {"trailing space", good + "kek_2: " + key_a + " "},
      {"carriage returns", head + most + "dead_letters: " + key_a + "\r\n" + kek},
      {"note behind a value", good + "kek_2: " + key_a + " # new"},
      {"not base64", good + "kek_2: " + std::string(44, '*')},
      {"base64url", good + "kek_2: " + std::string(42, '_') + "8="},
      {"no padding", good + "kek_2: " + key_a.substr(0, 43)},
      {"unused bits set", good + "kek_2: " + key_a.substr(0, 42) + "Z="},
      {"a zero byte", good + std::string(1, '\0')},
      {"binary", std::string("\xff\xfe\x00\x01", 4)},
  };
  for (const auto& [what, content] : bad) {
    const auto parsed = parse_keyring(content);
    ASSERT_FALSE(parsed) << what;
    EXPECT_EQ(parsed.error().code, Errc::key_invalid) << what;
    EXPECT_EQ(parsed.error().message.find(key_a.substr(0, 20)), std::string::npos)
        << what << ": the message shows a key";
  }
}

TEST(Keyring, RefusesMoreKeksThanOneRingHolds) {
  std::string content = "version: 1\ntenant: " + key_a + "\nids: " + key_b + "\ntoken: " + key_c +
                        "\ndead_letters: " + key_a + "\n";
  for (std::size_t epoch = 1; epoch <= generations_max; ++epoch)
    content += "kek_" + std::to_string(epoch) + ": " + key_b + "\n";
  EXPECT_TRUE(parse_keyring(content));
  EXPECT_FALSE(parse_keyring(content + "kek_99: " + key_b + "\n"));
}

TEST(Keyring, WritesWhatItReads) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  const auto content = read_file(folder / "keys");
  EXPECT_EQ(text_of(format_keyring(parse_keyring(content).value()).view()), content);
}

TEST(Keyring, TakesKeysInBase64OrHexAlike) {
  const auto in_hex =
      Keyring::from_keys(hex(key_of(1).view()), hex(key_of(2).view()),
                         codec::encode_base64(key_of(3).view(), codec::Base64::url));
  ASSERT_TRUE(in_hex);
  EXPECT_EQ(in_hex->tenant_key_check(), ring().tenant_key_check());
  EXPECT_EQ(hex(in_hex->token_key()), hex(ring().token_key()));
  EXPECT_EQ(hex(in_hex->dead_letter_key().key.view()), hex(ring().dead_letter_key().key.view()));
  EXPECT_TRUE(Keyring::from_keys(key_a, key_b, "")->token_key().empty());
}

TEST(Keyring, RefusesShortEqualOrGarbledKeys) {
  const auto short_key = codec::encode_base64(key_of(1, 31).view(), codec::Base64::standard);
  const std::string zeros(64, '0');
  const std::array<std::string, 3> bad[] = {
      {"", key_b, key_c},          {key_a, "", key_c},        {short_key, key_b, key_c},
      {key_a, short_key, key_c},   {key_a, key_b, short_key}, {zeros, key_b, key_c},
      {key_a, key_a, key_c},       {key_a, key_b, key_a},     {key_a, key_b, key_b},
      {"not a key!", key_b, key_c}};
  for (const auto& keys : bad)
    EXPECT_EQ(Keyring::from_keys(keys[0], keys[1], keys[2]).error().code, Errc::key_invalid)
        << keys[0] << ' ' << keys[1] << ' ' << keys[2];
}

TEST(Keyring, WrapsARandomKeyThatOnlyItsTenantUnwraps) {
  const auto keys = ring();
  const auto wrapped = keys.make_tenant_key(tenant("ann"), 3).value();
  EXPECT_EQ(wrapped.wrapped.size(), 65u);
  EXPECT_EQ(wrapped.key_id, 3u);
  EXPECT_EQ(wrapped.kek_epoch, 1u);
  const auto key = keys.unwrap(tenant("ann"), wrapped).value();
  EXPECT_EQ(key.id, 3u);
  EXPECT_EQ(key.key.size(), 32u);
  EXPECT_EQ(keys.unwrap(tenant("bob"), wrapped).error().code, Errc::open_failed);
  const auto other = keys.make_tenant_key(tenant("ann"), 3).value();
  EXPECT_NE(hex(keys.unwrap(tenant("ann"), other)->key.view()), hex(key.key.view()));
  EXPECT_EQ(keys.make_tenant_key(tenant("ann"), 0).error().code, Errc::key_invalid);
}

TEST(Keyring, RefusesAWrappedKeyThatWasTouched) {
  const auto keys = ring();
  const auto good = keys.make_tenant_key(tenant("ann"), 1).value();
  auto wrapped = good;
  wrapped.key_id = 2;
  EXPECT_EQ(keys.unwrap(tenant("ann"), wrapped).error().code, Errc::open_failed);
  wrapped = good;
  wrapped.kek_epoch = 2;
  EXPECT_EQ(keys.unwrap(tenant("ann"), wrapped).error().code, Errc::key_missing);
  for (std::size_t i = 0; i < good.wrapped.size(); ++i) {
    wrapped = good;
    wrapped.wrapped[i] ^= 0x10;
    EXPECT_FALSE(keys.unwrap(tenant("ann"), wrapped)) << i;
  }
  for (std::size_t i = 0; i < good.check.size(); ++i) {
    wrapped = good;
    wrapped.check[i] ^= 1;
    EXPECT_EQ(keys.unwrap(tenant("ann"), wrapped).error().code, Errc::open_failed) << i;
  }
  wrapped = good;
  wrapped.wrapped.clear();
  EXPECT_FALSE(keys.unwrap(tenant("ann"), wrapped));
}

TEST(Keyring, MovesToANewKekWithoutTouchingWhatIsSealed) {
  const test::TempDirectory folder;
  ASSERT_TRUE(Keyring::create(folder / "keys"));
  const auto before = Keyring::load(folder / "keys").value();
  const auto old_wrapped = before.make_tenant_key(tenant("ann"), 1).value();
  const auto old_key = before.unwrap(tenant("ann"), old_wrapped).value();

  ASSERT_EQ(Keyring::stage(folder / "keys", RootKey::kek).value(), 2u);
  EXPECT_EQ(Keyring::stage(folder / "keys", RootKey::kek).value(), 2u) << "one is staged already";
  const auto staged = Keyring::load(folder / "keys").value();
  EXPECT_EQ(staged.kek_epoch(), 1u) << "a staged key wraps nothing";
  ASSERT_TRUE(Keyring::promote(folder / "keys", RootKey::kek, 2));
  EXPECT_EQ(read_file(folder / "keys").find("version: 1\n") != std::string::npos, true)
      << "releases of before read it";
  struct stat status {};
  ASSERT_EQ(stat((folder / "keys").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto after = Keyring::load(folder / "keys").value();
  EXPECT_EQ(after.kek_epoch(), 2u);
  EXPECT_EQ(after.tenant_key_check(), before.tenant_key_check());
  const auto moved = after.rewrap(tenant("ann"), old_wrapped).value();
  EXPECT_EQ(moved.kek_epoch, 2u);
  EXPECT_EQ(moved.check, old_wrapped.check);
  for (const auto& wrapped : {old_wrapped, moved})
    EXPECT_EQ(hex(after.unwrap(tenant("ann"), wrapped)->key.view()), hex(old_key.key.view()));
  EXPECT_EQ(before.unwrap(tenant("ann"), moved).error().code, Errc::key_missing);
  EXPECT_EQ(hex(staged.unwrap(tenant("ann"), moved)->key.view()), hex(old_key.key.view()))
      << "a process that has the key staged reads what another one wrapped";
  EXPECT_EQ(Keyring::stage(folder / "none", RootKey::kek).error().code, Errc::key_missing);
  EXPECT_TRUE(after.check_succeeds(before));
  EXPECT_EQ(before.check_succeeds(after).error().code, Errc::key_invalid) << "an old copy";

  EXPECT_EQ(Keyring::remove(folder / "keys", RootKey::kek, 2).error().code, Errc::key_invalid);
  EXPECT_EQ(Keyring::remove(folder / "keys", RootKey::kek, 3).error().code, Errc::key_missing);
  ASSERT_TRUE(Keyring::remove(folder / "keys", RootKey::kek, 1));
  const auto alone = Keyring::load(folder / "keys").value();
  EXPECT_TRUE(alone.unwrap(tenant("ann"), moved));
  EXPECT_EQ(alone.unwrap(tenant("ann"), old_wrapped).error().code, Errc::key_missing);
}

TEST(Keyring, KeepsGenerationsOfEveryKeyThatCanBeReplaced) {
  const test::TempDirectory folder;
  const auto file = folder / "keys";
  ASSERT_TRUE(Keyring::create(file));
  const auto first = Keyring::load(file).value();
  for (const auto kind : root_key_kinds) {
    ASSERT_EQ(parse_root_key(root_key_name(kind)), kind);
    ASSERT_EQ(Keyring::stage(file, kind).value(), 2u);
    ASSERT_TRUE(Keyring::promote(file, kind, 2));
    ASSERT_EQ(Keyring::stage(file, kind).value(), 3u);
  }
  const auto ring = Keyring::load(file).value();
  const auto text = read_file(file);
  EXPECT_NE(text.find("version: 2\n"), std::string::npos);
  EXPECT_EQ(text_of(format_keyring(parse_keyring(text).value()).view()), text);
  std::string shown;
  for (const auto& key : ring.list())
    shown += std::string(root_key_name(key.kind)) + std::to_string(key.generation) +
             "rcs"[static_cast<int>(key.state)] + " ";
  EXPECT_EQ(shown, "kek1r kek2c kek3s token1r token2c token3s "
                   "dead-letters1r dead-letters2c dead-letters3s ");
  EXPECT_EQ(ring.token_kid(), "2");
  EXPECT_EQ(ring.token_keys().size(), 3u);
  EXPECT_EQ(hex(ring.token_keys()[0].key), hex(first.token_key()));
  EXPECT_NE(hex(ring.token_key()), hex(first.token_key()));
  EXPECT_EQ(ring.dead_letter_key().id, 2u);
  EXPECT_EQ(hex(ring.dead_letter_key(1)->key.view()), hex(first.dead_letter_key().key.view()));
  EXPECT_EQ(ring.dead_letter_key(4).error().code, Errc::key_missing);
  EXPECT_TRUE(ring.check_succeeds(first));

  for (const auto& [what, line] : std::initializer_list<std::pair<const char*, std::string>>{
           {"no current key", "token_current: 4\n"},
           {"current twice", "token_current: 2\ntoken_current: 2\n"},
           {"current is no number", "token_current: two\n"},
           {"current 0", "token_current: 0\n"},
           {"current 02", "token_current: 02\n"},
           {"a name of version 1", "token_current: 2\ntoken: " + key_a + "\n"}}) {
    auto bad = text;
    bad.replace(bad.find("token_current: 2\n"), std::string("token_current: 2\n").size(), line);
    EXPECT_EQ(parse_keyring(bad).error().code, Errc::key_invalid) << what;
  }
}

TEST(Keyring, IsNotTheSameWithAnotherKeyOfOneGeneration) {
  const auto ring_of = [](const std::string& tenant, const std::string& ids,
                          const std::string& kek) {
    const test::TempDirectory folder;
    write(folder / "keys", "version: 1\ntenant: " + tenant + "\nids: " + ids + "\ntoken: " +
                               key_a + "\ndead_letters: " + key_b + "\nkek_1: " + kek + "\n");
    return Keyring::load(folder / "keys").value();
  };
  const auto before = ring_of(key_a, key_b, key_c);
  EXPECT_TRUE(ring_of(key_a, key_b, key_c).check_succeeds(before));
  EXPECT_EQ(ring_of(key_b, key_b, key_c).check_succeeds(before).error().code, Errc::key_invalid);
  EXPECT_EQ(ring_of(key_a, key_a, key_c).check_succeeds(before).error().code, Errc::key_invalid);
  EXPECT_EQ(ring_of(key_a, key_b, key_a).check_succeeds(before).error().code, Errc::key_invalid);
}

TEST(Keyring, GivesEachPurposeItsOwnKey) {
  const auto keys = ring();
  const auto other = Keyring::from_keys(key_c, key_b, key_a).value();
  EXPECT_NE(keys.tenant_key_check(), other.tenant_key_check());
  const auto doc = DocId::parse("d").value();
  EXPECT_NE(keys.id_deriver().chunk_id(tenant("ann"), doc, 1, 0),
            other.id_deriver().chunk_id(tenant("ann"), doc, 1, 0));
  EXPECT_EQ(keys.tenant_keyer().tenant_of(UserId::parse("ann").value()), tenant("ann"));
  EXPECT_EQ(keys.dead_letter_key().id, 1u);
  EXPECT_EQ(keys.dead_letter_key().key.size(), 32u);
}

}  // namespace
}  // namespace memseal::crypto
