// An event as memseal seals it for Kafka: it opens for its tenant, event and topic alone.
#include "cases/ingest/sealed_event.hpp"

#include "base/limits.hpp"
#include "cases/ingest/dead_letter.hpp"
#include "pure/wire/event.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace memseal::ingest {
namespace {

class SealedEventTest : public testing::Test {
 protected:
  static crypto::Tenant tenant(const std::string& user) {
    static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 1)));
    return keyer.tenant_of(UserId::parse(user).value());
  }
  static crypto::TenantKey key() { return {3, SecretBytes(Bytes(32, 7))}; }
  /// As it lies in the topic.
  static ports::Record sealed(std::string value = R"({"text":"the harbour"})") {
    ports::OutRecord event{.key = "ada", .value = std::move(value), .headers = {}};
    event.headers = {{"content-type", "application/cloudevents+json"}, {"memseal-signature", "s"}};
    const Uuid id = Uuid::parse("01020304-0506-8708-890a-0b0c0d0e0f10").value();
    EXPECT_TRUE(seal_event(tenant("ada"), key(), id, "memory.upload.v1", event));
    return {.topic = "memory.upload.v1",
            .partition = 2,
            .offset = 9,
            .timestamp_ms = 1'790'000'000'000,
            .has_broker_time = true,
            .key = event.key,
            .value = event.value,
            .headers = event.headers};
  }
  /// The event, as a worker opens it that has the keys of `who`.
  static Result<ports::Record> open(const ports::Record& record, const std::string& who = "ada") {
    const auto what = read_sealed_event(record);
    if (!what) return what.error();
    if (what->owner != tenant(who).hash()) return Error{Errc::key_missing, "another tenant's"};
    return open_event(tenant(who), key(), *what, record);
  }
};

TEST_F(SealedEventTest, ComesBackAsItWasAtThePlaceWhereItLies) {
  const auto record = sealed();
  EXPECT_TRUE(says_sealed(record));
  EXPECT_EQ(record.key, tenant("ada").hash().to_hex());
  EXPECT_EQ(record.value.find("harbour"), std::string::npos);
  EXPECT_EQ(record.headers.size(), 2u);
  EXPECT_EQ(read_sealed_event(record)->key_id, 3u);
  const auto opened = open(record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->key, "ada");
  EXPECT_EQ(opened->value, R"({"text":"the harbour"})");
  EXPECT_EQ(opened->headers.size(), 2u);
  EXPECT_FALSE(says_sealed(*opened));
  EXPECT_EQ(opened->topic, record.topic);
  EXPECT_EQ(opened->offset, 9);
  EXPECT_EQ(opened->timestamp_ms, record.timestamp_ms);
  EXPECT_TRUE(opened->has_broker_time);
  // What the source counts for a record stays the same while it is worked on.
  EXPECT_EQ(opened->bytes(), record.bytes());
  EXPECT_EQ(open(sealed(std::string(limits::event_bytes_max, 'x')))->value.size(),
            limits::event_bytes_max);
}

// index/announce.cpp takes events of 4 KiB less than 1 MiB. Sealed, with a signature, such a one
// must fit in what a broker takes by default (1 MiB + 12) with a batch's own bytes.
TEST_F(SealedEventTest, FitsInWhatABrokerTakes) {
  const auto signature = wire::signature_header.size() + wire::signature_header_bytes_max + 8;
  const auto record = sealed(std::string(limits::event_bytes_max - 4'096 + signature, 'x'));
  EXPECT_LE(record.bytes(), limits::event_bytes_max - 1'024);
}

TEST_F(SealedEventTest, OpensNowhereElse) {
  const std::vector<std::function<void(ports::Record&)>> deeds{
      [](ports::Record& r) { r.topic = "memory.chat.v1"; },
      [](ports::Record& r) { r.headers[1].second = "01020304-0506-8708-890a-0b0c0d0e0f11"; },
      [](ports::Record& r) { r.headers[1].second = "no id"; },
      [](ports::Record& r) { r.headers.pop_back(); },
      [](ports::Record& r) { r.key = tenant("bob").hash().to_hex(); },
      [](ports::Record& r) { r.key = "ada"; },
      [](ports::Record& r) { r.key.clear(); },
      [](ports::Record& r) { r.value.clear(); },
      [](ports::Record& r) { r.value = "MSEV1"; },
      [](ports::Record& r) { r.value.pop_back(); },
      [](ports::Record& r) { r.value += 'x'; },
      [](ports::Record& r) { r.value[3] = 'L'; },
      [](ports::Record& r) { r.value.back() ^= 1; },
      // A letter of the same tenant, event and key is no event.
      [](ports::Record& r) {
        const auto id = Uuid::parse(r.headers[1].second).value();
        r.value = seal_dead_letter(tenant("ada"), key(), id, {.key = "ada", .value = "x"}).value();
        r.value.replace(0, 5, "MSEV1");
      }};
  for (std::size_t i = 0; i < deeds.size(); ++i) {
    auto record = sealed();
    deeds[i](record);
    EXPECT_FALSE(open(record)) << i;
  }
  for (const std::size_t at : {10u, 14u, 20u, 40u, 60u}) {
    auto record = sealed();
    record.value[at] ^= 0x10;
    EXPECT_FALSE(open(record)) << at;
  }
}

TEST_F(SealedEventTest, IsToldFromOtherRecordsByItsTypeAlone) {
  EXPECT_FALSE(says_sealed({.value = sealed().value}));
  ports::Record other{.value = "{}"};
  other.headers = {{"content-type", "application/cloudevents+json"}};
  EXPECT_FALSE(says_sealed(other));
}

}  // namespace
}  // namespace memseal::ingest
