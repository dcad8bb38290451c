// What `publish` says of an event whose delivery is not known.
#include "app/cli/publish_fates.hpp"

#include <gtest/gtest.h>

namespace memseal::app {
namespace {

using std::chrono::milliseconds;

TEST(PublishFates, ARecordWithoutAConfirmationIsUnknown) {
  EXPECT_EQ(delivery_after(Errc::unavailable), Delivery::unknown);
  for (const auto code : {Errc::payload_too_large, Errc::overloaded, Errc::bad_config})
    EXPECT_EQ(delivery_after(code), Delivery::not_sent) << errc_name(code);
}

TEST(PublishFates, TheEndOfAnEventComesBeforeItsDelivery) {
  Fates fates(5);
  fates.deliver(0, Delivery::sent);
  fates.deliver(1, Delivery::unknown);
  fates.deliver(2, Delivery::unknown);
  fates.deliver(3, Delivery::sent);
  fates.end(1, {.stored = true, .chunks = 2}, milliseconds(7));
  fates.end(3, {.stored = true, .before = true}, milliseconds(8));
  EXPECT_EQ(fates[0].state(), "published");
  EXPECT_EQ(fates[1].state(), "stored");
  EXPECT_EQ(fates[2].state(), "unknown");
  EXPECT_EQ(fates[3].state(), "stored_before");
  EXPECT_EQ(fates[4].state(), "not_sent");
  fates.end(2, {.code = "bad_event"}, milliseconds(9));
  EXPECT_EQ(fates[2].state(), "failed");
}

TEST(PublishFates, TheEndOfAnUnknownEventIsNotThatOfASentOne) {
  Fates fates(2);
  fates.deliver(0, Delivery::sent);
  fates.deliver(1, Delivery::unknown);
  fates.end(1, {.stored = true}, milliseconds(1));
  EXPECT_EQ(fates.open(Delivery::sent), 1u) << "still waited for";
  EXPECT_EQ(fates.open(Delivery::unknown), 0u);
  EXPECT_EQ(fates.count(Delivery::sent), 1u);
  EXPECT_EQ(fates.stored(), 1u);
  EXPECT_EQ(fates.ended(), 1u);
}

}  // namespace
}  // namespace memseal::app
