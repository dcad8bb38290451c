#include "cases/ingest/dead_letter.hpp"

#include "base/limits.hpp"
#include "ports/event_source.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

namespace memseal::ingest {
namespace {

struct DeadLetterTest : testing::Test {
  crypto::TenantKeyer keyer{test::test_key(1)};
  crypto::Tenant owner = keyer.tenant_of(UserId::parse("alice").value());
  crypto::TenantKey key{4, test::test_key(2)};
  Uuid id{.bytes = {1, 2, 3}};
  ports::Record record{.key = "alice", .value = "the original"};

  std::string seal() const { return seal_dead_letter(owner, key, id, record).value(); }
};

TEST_F(DeadLetterTest, OpensToWhatWasSealed) {
  record.headers.emplace_back("ce_id", "1");
  record.headers.emplace_back("empty", "");
  for (const std::size_t size : {0ul, 1ul, limits::seal_bytes_max - 5, limits::seal_bytes_max,
                                 limits::event_bytes_max}) {
    record.value.assign(size, 'v');
    const auto back = open_dead_letter(owner, key, id, seal());
    ASSERT_TRUE(back) << size;
    EXPECT_EQ(back->value, record.value);
    EXPECT_EQ(back->key, "alice");
    EXPECT_EQ(back->headers, record.headers);
  }
}

TEST_F(DeadLetterTest, NamesTheKeyThatOpensIt) {
  EXPECT_EQ(dead_letter_key_id(seal()).value(), 4u);
  EXPECT_FALSE(dead_letter_key_id("MSDL1"));
  EXPECT_FALSE(dead_letter_key_id(""));
}

TEST_F(DeadLetterTest, NeedsNoCountOfSealsBecauseEachHasAKeyOfItsOwn) {
  // The same record twice: under one key the two would differ in their nonces alone.
  const auto one = seal(), other = seal();
  auto swapped = one;
  swapped.replace(5, 16, other, 5, 16);  // the salt
  EXPECT_TRUE(open_dead_letter(owner, key, id, one));
  EXPECT_FALSE(open_dead_letter(owner, key, id, swapped));
}

TEST_F(DeadLetterTest, OpensWhatReleasesOfBeforeSealed) {
  const std::string envelope("MSDL1\0\0\0\5alice\0\0\0\3old\0\0\0\0", 25);
  const auto part = crypto::Sealer::seal(owner, key, crypto::Field::dead_letter,
                                         {id, "dead-letter/1", 0}, bytes_of(envelope))
                        .value();
  std::string sealed("MSDL1\0\0\0\1\0\0\0", 12);
  sealed += static_cast<char>(part.size());
  sealed.append(part.begin(), part.end());
  const auto back = open_dead_letter(owner, key, id, sealed);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->key, "alice");
  EXPECT_EQ(back->value, "old");
  EXPECT_EQ(dead_letter_key_id(sealed).value(), 4u);
}

TEST_F(DeadLetterTest, OpensForNoOtherTenantOrEvent) {
  const auto other = keyer.tenant_of(UserId::parse("bob").value());
  EXPECT_FALSE(open_dead_letter(other, key, id, seal()));
  EXPECT_FALSE(open_dead_letter(owner, key, Uuid{}, seal()));
}

TEST_F(DeadLetterTest, RefusesAnyChangedByte) {
  const auto sealed = seal();
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(open_dead_letter(owner, key, id, changed)) << "byte " << at;
  }
}

TEST_F(DeadLetterTest, RefusesEveryTruncation) {
  const auto sealed = seal();
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(open_dead_letter(owner, key, id, sealed.substr(0, size))) << size;
  EXPECT_FALSE(open_dead_letter(owner, key, id, sealed + "x"));
}

TEST_F(DeadLetterTest, RefusesDroppedAndReorderedParts) {
  record.value.assign(2 * limits::seal_bytes_max, 'v');
  const auto sealed = seal();
  const auto part = limits::seal_bytes_max + crypto::seal_overhead + 4;
  const auto head = sealed.substr(0, 9), first = sealed.substr(9, part),
             second = sealed.substr(9 + part, part), last = sealed.substr(9 + 2 * part);
  ASSERT_TRUE(open_dead_letter(owner, key, id, head + first + second + last));
  EXPECT_FALSE(open_dead_letter(owner, key, id, head + second + first + last));
  auto two = head;
  two[8] = 2;
  EXPECT_FALSE(open_dead_letter(owner, key, id, two + first + second));
}

}  // namespace
}  // namespace memseal::ingest
