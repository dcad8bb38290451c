#include "http/routes/byte_range.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::http {
namespace {

/// "first-end" of a part, "whole" or "416".
std::string asked(const char* field, std::uint64_t length = 1'000) {
  const auto range = asked_range(field, length);
  if (range.answer == RangeAnswer::whole) return "whole";
  if (range.answer == RangeAnswer::unsatisfiable) return "416";
  return std::to_string(range.range.first) + "-" + std::to_string(range.range.end);
}

TEST(ByteRange, IsReadAsTheRfcSays) {
  EXPECT_EQ(asked("bytes=0-0"), "0-1");
  EXPECT_EQ(asked("bytes=10-"), "10-1000");
  EXPECT_EQ(asked("bytes=10-5000"), "10-1000");
  EXPECT_EQ(asked("bytes=-10"), "990-1000");
  EXPECT_EQ(asked("bytes=-5000"), "0-1000");
  EXPECT_EQ(asked("bytes=0-99999999999999999999999"), "0-1000");
  for (const auto* none : {"bytes=1000-", "bytes=-0", "bytes=99999999999999999999999-"})
    EXPECT_EQ(asked(none), "416") << none;
  EXPECT_EQ(asked("bytes=0-", 0), "416");
  for (const auto* ignored : {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=1-2",
                              "bytes=0-1,5-6", "bytes=0", "bytes=+1-2", "bytes= 1-2", "BYTES=1-2"})
    EXPECT_EQ(asked(ignored), "whole") << ignored;
  EXPECT_EQ(asked_range(std::nullopt, 10).answer, RangeAnswer::whole);
}

}  // namespace
}  // namespace memseal::http
