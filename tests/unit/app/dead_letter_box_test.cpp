// An event of the HTTP API never goes back to Kafka in the clear where it is to lie sealed there.
#include "app/cli/dead_letter_box.hpp"

#include "cases/index/submit.hpp"
#include "cases/ingest/sealed_event.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

namespace memseal::app {
namespace {

/// Whether a command without a database may publish an event of `source`.
Result<void> seal(const std::string& own_events, const std::string& source) {
  Config config;
  config.seal.tenant_hmac_key = test::test_key_hex(1);
  config.seal.encryption_key = test::test_key_hex(2);
  config.seal.token_key = test::test_key_hex(3);
  config.kafka.own_events = own_events;
  DeadLetterBox box(config);
  ports::OutRecord record{
      .channel = ports::Channel::upload,
      .key = "ada",
      .value = R"({"specversion":"1.0","id":"e1","type":"dev.memseal.memory.upload.v1",)"
               R"("subject":"ada","data":{},"source":")" + source + "\"}"};
  record.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
  std::optional<Result<void>> sealed;
  const auto work = [&]() -> asio::awaitable<void> {
    sealed = co_await box.seal_own("memory.upload.v1", record);
  };
  run_to_end(work());
  EXPECT_EQ(record.key, "ada");
  return *sealed;
}

TEST(DeadLetterBoxTest, WithoutADatabaseNoOwnEventIsPublishedInTheClear) {
  const std::string own(index::event_source);
  const auto refused = seal(std::string(ingest::own_events_sealed), own);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_config);
  EXPECT_NE(refused.error().message.find("postgres.dsn"), std::string::npos);
  EXPECT_TRUE(seal(std::string(ingest::own_events_sealed), "producer"));
  EXPECT_TRUE(seal("clear", own));
}

}  // namespace
}  // namespace memseal::app
