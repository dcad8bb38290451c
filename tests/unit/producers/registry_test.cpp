// The registry's file: what is sound reads back as it was, and everything else is refused.
#include "pure/codec/base64.hpp"
#include "support.hpp"

namespace memseal::producers {
namespace {

using namespace testing;

std::string quoted(std::string text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? '"' : c;
  return out;
}

std::string public_key(std::uint8_t seed) {
  return codec::encode_base64(signing_key(seed).verifying_key().bytes(), codec::Base64::url);
}

/// A sound file, with `find` replaced by `put`. Quotes are ' for ".
std::string file_with(const std::string& find = "", const std::string& put = "") {
  auto text =
      "{'version':1,'producers':[{'name':'crm','tenants':['acme:*'],'sources':['/crm'],"
      "'topics':['t'],'keys':[{'id':'k1','algorithm':'ed25519','key':'" +
      public_key(1) + "','added':'2026-01-02T03:04:05Z'},{'id':'k2','algorithm':'ed25519','key':'" +
      public_key(2) + "','revoked':'2026-01-02T03:04:05Z'}]}]}";
  if (!find.empty()) {
    const auto at = text.find(find);
    EXPECT_NE(at, text.npos) << find;
    text.replace(at, find.size(), put);
  }
  return quoted(text);
}

TEST(Registry, ReadsBackWhatItWrites) {
  auto registry = Registry::parse(file_with());
  ASSERT_TRUE(registry) << registry.error().message;
  const auto again = Registry::parse(registry->file());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->file(), registry->file());
  const auto found = again->find("k2");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->producer.name, "crm");
  EXPECT_EQ(found->key.revoked, "2026-01-02T03:04:05Z");
  EXPECT_FALSE(again->find("k3"));
  EXPECT_FALSE(again->holds_secrets());
  EXPECT_TRUE(Registry::parse(Registry{}.file()));
}

TEST(Registry, RefusesWhatItDoesNotKnow) {
  const std::string secret(64, 'A');
  const std::pair<std::string, std::string> cases[] = {
      {"'version':1", "'version':2"},
      {"'version':1,", ""},
      {"'version':1", "'version':1,'more':1"},
      {"'producers':[", "'producers':[1,"},
      {"'name':'crm'", "'name':'memseal-2'"},
      {"'name':'crm'", "'name':''"},
      {"'name':'crm'", "'name':'a b'"},
      {"'name':'crm',", ""},
      {"'name':'crm'", "'name':'crm','tenant':['x']"},
      {"['acme:*']", "[]"},
      {"['acme:*']", "['*:acme']"},
      {"['acme:*']", "['a**']"},
      {"['acme:*']", "['']"},
      {"['acme:*']", "[1]"},
      {"['acme:*']", "'acme:*'"},
      {"['acme:*']", "['a\\u0000']"},
      {"'sources':['/crm'],", ""},
      {"'topics':['t']", "'topics':{}"},
      {"'id':'k1'", "'id':'k2'"},
      {"'id':'k1'", "'id':'memseal'"},
      {"'id':'k1'", "'id':'k.1'"},
      {"'algorithm':'ed25519'", "'algorithm':'none'"},
      {"'algorithm':'ed25519'", "'algorithm':'HMAC-SHA256'"},
      {public_key(1), public_key(1) + "A"},
      {public_key(1), ""},
      {"'algorithm':'ed25519','key':'" + public_key(1), "'algorithm':'hmac-sha256','key':'AAAA"},
      {"'algorithm':'ed25519','key':'" + public_key(1),
       "'algorithm':'hmac-sha256','key':'" + secret},
      {"'added':'2026-01-02T03:04:05Z'", "'added':'yesterday'"},
      {"'added':'2026-01-02T03:04:05Z'", "'revokd':'2026-01-02T03:04:05Z'"},
      {"'added':'2026-01-02T03:04:05Z'", "'revoked':true"},
      {"]}]}", "]}]} x"},
      {"{'version'", "[{'version'"}};
  for (const auto& [find, put] : cases) {
    const auto registry = Registry::parse(file_with(find, put));
    ASSERT_FALSE(registry) << find << " -> " << put;
    EXPECT_EQ(registry.error().code, Errc::bad_config);
    EXPECT_EQ(registry.error().message.find(public_key(1)), std::string::npos);
  }
  EXPECT_FALSE(Registry::parse(std::string(registry_bytes_max + 1, ' ')));
}

TEST(Registry, AddsAProducerAndFurtherKeysOfTheSameRights) {
  Registry registry;
  ASSERT_TRUE(registry.add(crm(signing_key(1))));
  EXPECT_FALSE(registry.add(crm(signing_key(1)))) << "the key is there";
  ASSERT_TRUE(registry.add(crm(signing_key(2))));
  EXPECT_EQ(registry.producers().at(0).keys.size(), 2u);
  auto other = crm(signing_key(3));
  other.tenants.push_back("*");
  EXPECT_FALSE(registry.add(other)) << "rights never widen by the way";
  EXPECT_EQ(registry.producers().at(0).keys.size(), 2u);
  other.name = "other";
  EXPECT_TRUE(registry.add(other));
}

TEST(Registry, RevokesOneKeyOrAll) {
  Registry registry;
  ASSERT_TRUE(registry.add(crm(signing_key(1))));
  ASSERT_TRUE(registry.add(crm(signing_key(2))));
  const auto id = key_id_of(signing_key(1).verifying_key());
  const std::string when = "2026-01-02T03:04:05Z";
  EXPECT_EQ(registry.revoke("crm", id, when).value(), 1u);
  EXPECT_EQ(registry.revoke("crm", "", when).value(), 1u) << "the other one";
  EXPECT_EQ(registry.revoke("crm", "", when).value(), 0u);
  EXPECT_EQ(registry.revoke("erp", "", when).error().code, Errc::not_found);
  EXPECT_EQ(registry.revoke("crm", "nokey", when).error().code, Errc::not_found);
}

TEST(Patterns, AreEqualOrAPrefix) {
  const std::vector<std::string> patterns{"acme:*", "solo"};
  EXPECT_TRUE(fits(patterns, "acme:ann"));
  EXPECT_TRUE(fits(patterns, "acme:"));
  EXPECT_TRUE(fits(patterns, "solo"));
  for (const auto* other : {"acme", "acmf:ann", "Acme:ann", "solo2", "sol", ""})
    EXPECT_FALSE(fits(patterns, other)) << other;
  EXPECT_TRUE(fits({"*"}, ""));
  EXPECT_FALSE(fits({}, "x"));
}

}  // namespace
}  // namespace memseal::producers
