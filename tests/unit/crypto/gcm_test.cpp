#include "pure/crypto/internal/gcm.hpp"

#include "base/result.hpp"
#include "support.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace memseal::crypto {
namespace {

using namespace testing;

TEST(Gcm, PassesWycheproofByTheProviderAndByEvp) {
  int valid = 0, invalid = 0;
  const auto all = wycheproof("aes_gcm_test.json");
  for (const auto& group : all.at("testGroups").as_array()) {
    if (group.at("keySize") != 256 || group.at("ivSize") != 96 || group.at("tagSize") != 128)
      continue;
    for (const auto& test : group.at("tests").as_array()) {
      const auto key = from_hex(text(test, "key")), aad = from_hex(text(test, "aad"));
      const auto plain = from_hex(text(test, "msg")), cipher = from_hex(text(test, "ct"));
      const auto tag = from_hex(text(test, "tag")), iv = from_hex(text(test, "iv"));
      Nonce nonce;
      std::copy(iv.begin(), iv.end(), nonce.begin());
      const bool is_valid = text(test, "result") == "valid";
      for (const auto way : {GcmWay::provider, GcmWay::evp}) {
        Gcm gcm(key, way);
        Bytes out(plain.size() + 1), made_tag(gcm_tag_bytes);
        EXPECT_EQ(gcm.open(nonce, aad, cipher, tag.data(), out.data()), is_valid)
            << test.at("tcId");
        if (!is_valid) continue;
        EXPECT_TRUE(std::equal(plain.begin(), plain.end(), out.begin()));
        ASSERT_TRUE(gcm.seal(nonce, aad, plain, out.data(), made_tag.data()));
        EXPECT_TRUE(std::equal(cipher.begin(), cipher.end(), out.begin()));
        EXPECT_EQ(made_tag, tag);
      }
      ++(is_valid ? valid : invalid);
    }
  }
  EXPECT_EQ(valid, 39);
  EXPECT_EQ(invalid, 27);
}

TEST(Gcm, OpensAgainAfterARefusal) {
  for (const auto way : {GcmWay::provider, GcmWay::evp}) {
    Gcm gcm(key_of(5).view(), way);
    const Nonce nonce{1};
    const auto plain = bytes("sixteen bytes!!!");
    Bytes cipher(16), tag(16), out(16);
    ASSERT_TRUE(gcm.seal(nonce, plain, plain, cipher.data(), tag.data()));
    auto wrong = tag;
    wrong[0] ^= 1;
    EXPECT_FALSE(gcm.open(nonce, plain, cipher, wrong.data(), out.data()));
    EXPECT_TRUE(gcm.open(nonce, plain, cipher, tag.data(), out.data()));
    EXPECT_EQ(out, plain);
  }
}

TEST(Gcm, KeepsTheLastEightKeysOfAThread) {
  for (std::uint8_t seed = 0; seed < 20; ++seed) {
    const auto key = key_of(seed);
    EXPECT_TRUE(keyed(key.view()).has_key(key.view()));
  }
  const auto* last = &keyed(key_of(19).view());
  for (std::uint8_t seed = 13; seed < 19; ++seed) keyed(key_of(seed).view());
  EXPECT_EQ(last, &keyed(key_of(19).view())) << "seven keys later it is still there";
}

TEST(Gcm, LeavesItsKeyNowhereInItsPlace) {
  alignas(Gcm) std::array<std::uint8_t, sizeof(Gcm)> room{};
  const auto key = key_of(77);
  auto* gcm = new (room.data()) Gcm(key.view(), GcmWay::evp);
  const volatile auto* seen = room.data();
  const auto holds_key = [&] {
    for (std::size_t at = 0; at + 8 <= room.size(); ++at) {
      std::size_t same = 0;
      while (same < 8 && seen[at + same] == key.view()[same]) ++same;
      if (same == 8) return true;
    }
    return false;
  };
  EXPECT_TRUE(holds_key());
  gcm->~Gcm();
  EXPECT_FALSE(holds_key());
}

std::vector<Nonce> draw(std::size_t count) {
  std::vector<Nonce> nonces;
  nonces.reserve(count);
  for (std::size_t i = 0; i < count; ++i) nonces.push_back(next_nonce());
  return nonces;
}

TEST(Nonces, AMillionFromFourThreadsAreAllDifferent) {
  std::vector<std::vector<Nonce>> drawn(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : drawn) threads.emplace_back([&mine] { mine = draw(250'000); });
  }
  std::vector<Nonce> all;
  for (const auto& mine : drawn) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 1'000'000u);
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(Nonces, AreDrawnAnewAfterASnapshotOrASecond) {
  const Clocks drawn{.monotonic_ms = 50'000, .wall_ms = 1'800'000'000'000};
  const auto after = [&](std::int64_t monotonic_ms, std::int64_t wall_ms) {
    return Clocks{drawn.monotonic_ms + monotonic_ms, drawn.wall_ms + wall_ms};
  };
  for (const auto& now : {after(0, 0), after(900, 900), after(4, 200), after(300, 60)})
    EXPECT_FALSE(is_stale(drawn, now));
  EXPECT_TRUE(is_stale(drawn, after(10, 3'600'000))) << "it slept in a snapshot";
  EXPECT_TRUE(is_stale(drawn, after(10, -3'600'000))) << "its clock was set back";
  EXPECT_TRUE(is_stale(drawn, after(1'001, 1'001))) << "too old";
  EXPECT_TRUE(is_stale(drawn, after(-1, -1))) << "another boot";
}

TEST(Nonces, AForkedChildDrawsItsOwn) {
  next_nonce();  // the block that a careless child would go on with
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto mine = draw(1'000);
    const auto size = static_cast<ssize_t>(mine.size() * sizeof(Nonce));
    _exit(write(ends[1], mine.data(), static_cast<std::size_t>(size)) == size ? 0 : 1);
  }
  auto all = draw(1'000);
  std::vector<Nonce> theirs(1'000);
  auto* to = reinterpret_cast<std::uint8_t*>(theirs.data());
  for (std::size_t left = theirs.size() * sizeof(Nonce); left > 0;) {
    const auto got = read(ends[0], to, left);
    ASSERT_GT(got, 0);
    to += got;
    left -= static_cast<std::size_t>(got);
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(status, 0);
  all.insert(all.end(), theirs.begin(), theirs.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

}  // namespace
}  // namespace memseal::crypto
