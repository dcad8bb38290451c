// That secrets are wiped can only be seen where their memory is given back: this program's delete
// looks at a block before it goes.
#include "base/secret.hpp"

#include "base/ids.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

namespace {

const void* watched = nullptr;
std::size_t watched_bytes = 0;
int seen_freed = 0, seen_wiped = 0;

void look_at(const void* block) noexcept {
  if (block == nullptr || block != watched) return;
  watched = nullptr;
  ++seen_freed;
  const auto* bytes = static_cast<const volatile std::uint8_t*>(block);
  bool zero = true;
  for (std::size_t i = 0; i < watched_bytes; ++i) zero = zero && bytes[i] == 0;
  if (zero) ++seen_wiped;
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  look_at(block);
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  look_at(block);
  std::free(block);
}

namespace memseal {
namespace {

const std::uint8_t raw[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 8, 7};

// Runs `action`, which gives back the memory of `secret`, and says what was seen of it.
template <class Action>
::testing::AssertionResult wiped_by(const SecretBytes& secret, Action action) {
  watched = secret.view().data();
  watched_bytes = secret.size();
  seen_freed = seen_wiped = 0;
  action();
  if (seen_freed != 1) return ::testing::AssertionFailure() << "freed " << seen_freed << " times";
  if (seen_wiped != 1) return ::testing::AssertionFailure() << "freed with the secret in it";
  return ::testing::AssertionSuccess();
}

TEST(SecretBytes, IsWipedWhenItsScopeEnds) {
  auto* secret = new SecretBytes{ByteView(raw)};
  EXPECT_TRUE(wiped_by(*secret, [&] { delete secret; }));
}

TEST(SecretBytes, IsWipedWhenAnotherTakesItsPlace) {
  SecretBytes secret{ByteView(raw)};
  SecretBytes other{ByteView(raw)};
  EXPECT_TRUE(wiped_by(secret, [&] { secret = std::move(other); }));
  EXPECT_TRUE(other.empty()) << "moved from";  // NOLINT: that is the question
  EXPECT_EQ(to_hex(secret.view().data(), secret.size()), to_hex(raw, sizeof raw));
}

TEST(SecretBytes, MovesWithoutACopyAndCopiesOnlyByClone) {
  SecretBytes secret{ByteView(raw)};
  const auto* where = secret.view().data();
  SecretBytes moved = std::move(secret);
  EXPECT_EQ(moved.view().data(), where);
  EXPECT_TRUE(secret.empty());  // NOLINT: that is the question
  const SecretBytes copy = moved.clone();
  EXPECT_NE(copy.view().data(), where);
  EXPECT_EQ(to_hex(copy.view().data(), copy.size()), to_hex(raw, sizeof raw));
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
  static_assert(!std::is_copy_assignable_v<SecretBytes>);
}

TEST(Wipe, LeavesNothingOfWhatItIsGivenAndAllOfTheRest) {
  std::uint8_t bytes[] = {1, 2, 3, 4};
  wipe(bytes, 3);
  EXPECT_EQ(to_hex(bytes, 4), "00000004");
  wipe(nullptr, 0);
}

}  // namespace
}  // namespace memseal
