#include "adapters/http_client/retry_after.hpp"

#include <gtest/gtest.h>

namespace memseal::http_client {
namespace {

TEST(RetryAfter, IsANumberOfSeconds) {
  using std::chrono::seconds;
  EXPECT_EQ(parse_retry_after("7"), seconds(7));
  EXPECT_EQ(parse_retry_after("0"), seconds(0));
  EXPECT_EQ(parse_retry_after("99999999"), seconds(3'600));
  EXPECT_EQ(parse_retry_after("99999999999999999999"), seconds(3'600)) << "beyond 64 bits";
}

TEST(RetryAfter, OfADateBeyondTheClocksYearsIsTheLongestWait) {
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT"), std::chrono::seconds(3'600));
  EXPECT_EQ(parse_retry_after("Mon, 01 Jan 1601 00:00:00 GMT"), std::chrono::seconds(0));
}

TEST(RetryAfter, IsADateInAnyOfItsThreeForms) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const auto now = WallClock::from_time_t(784'111'777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), seconds(3));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:50:37 GMT", now), seconds(60));
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:38 1994", now), seconds(1));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now + milliseconds(400)),
            seconds(3));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:36 GMT", now), seconds(0)) << "past";
  EXPECT_EQ(parse_retry_after("Mon, 07 Nov 1994 08:49:37 GMT", now), seconds(3'600));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), seconds(0));
}

TEST(RetryAfter, IsNothingOtherwise) {
  for (const auto* other :
       {"", "-1", "1.5", "7s", " 7", "-99999999999999999999", "99999999999999999999s",
        "Wed, 21 Oct 2026 07:28:00", "Wed, 21 Oct 2026 07:28:00 GMT ",
        "Wed, 21 Oct 2026 07:28:00 CET", "Wed, 32 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 2026 25:28:00 GMT", "Wed, 21 Foo 2026 07:28:00 GMT", "Wed, 21 Oct", "GMT",
        "2026-10-21T07:28:00Z"})
    EXPECT_EQ(parse_retry_after(other), std::nullopt) << other;
}

}  // namespace
}  // namespace memseal::http_client
