#include "cases/index/submit.hpp"

#include "base/limits.hpp"
#include "fakes/event_sink.hpp"
#include "fakes/operations.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/wire/event.hpp"
#include "support/run_loop.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace memseal::index {
namespace {

constexpr std::int64_t now_ms = 1'700'000'000'123;

struct SubmitTest : ::testing::Test {
  crypto::Keyring keyring = crypto::Keyring::from_keys(test::test_key_hex(1),
                                                       test::test_key_hex(2),
                                                       test::test_key_hex(3))
                                .value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  fakes::Operations operations;
  fakes::EventSink sink;
  IndexDeps deps{operations, sink, ids};

  Owner owner(const std::string& user) {
    const auto id = UserId::parse(user).value();
    return {id, tenants.tenant_of(id)};
  }

  Result<ports::Operation> submit_as(const std::string& user, Submission submission) {
    Result<ports::Operation> made = Error{Errc::internal, "not run"};
    asio::io_context loop{1};
    test::run_to_end(loop, keep(user, std::move(submission), made));
    return made;
  }
  asio::awaitable<void> keep(const std::string& user, Submission submission,
                             Result<ports::Operation>& made) {
    runtime::RequestContext context{"req-1", runtime::Deadline::after(std::chrono::seconds(10))};
    made = co_await submit(deps, context, owner(user), std::move(submission));
  }

  Result<ports::Operation> submit_text(const std::string& text, const std::string& key = {}) {
    return submit_as("ada", {.idempotency_key = key, .text = text, .at_ms = now_ms});
  }

  wire::UploadEvent event_at(std::size_t i) {
    const auto& record = sink.records.at(i);
    const auto event = wire::parse_event({.topic = "memory.upload.v1",
                                          .key = record.key,
                                          .value = record.value,
                                          .headers = &record.headers});
    return std::get<wire::UploadEvent>(event.value());
  }
};

TEST_F(SubmitTest, PublishesTheDocumentAsAnEventOfItsOwner) {
  const auto operation = submit_as("ada", {.doc_id = "note",
                                           .name = "note.md",
                                           .mime_type = "text/markdown",
                                           .text = "remember me",
                                           .tags = {"t"},
                                           .attributes_json = R"({"page":1})",
                                           .at_ms = now_ms});
  ASSERT_TRUE(operation);
  EXPECT_EQ(operation->state, ports::OperationState::queued);
  EXPECT_EQ(operation->doc_id, "note");
  EXPECT_EQ(operation->origin, Origin::api);
  EXPECT_EQ(operation->created_at_ms, now_ms);
  ASSERT_EQ(sink.records.size(), 1u);
  EXPECT_EQ(sink.records[0].channel, ports::Channel::upload);
  EXPECT_EQ(sink.records[0].key, "ada");
  const auto event = event_at(0);
  EXPECT_EQ(event.head.source, event_source);
  EXPECT_EQ(event.head.user.value(), "ada");
  EXPECT_EQ(event.head.time_ms, now_ms);
  EXPECT_EQ(event.revision, std::nullopt) << "two nodes' clocks must not decide which text stays";
  EXPECT_EQ(event.doc_id.value(), "note");
  EXPECT_EQ(event.name, "note.md");
  EXPECT_EQ(event.mime_type, "text/markdown");
  EXPECT_EQ(event.text, "remember me");
  EXPECT_EQ(event.tags, std::vector<std::string>{"t"});
  EXPECT_EQ(event.attributes_json, R"({"page":1})");
  EXPECT_EQ(event.origin, Origin::api);
  // Ingest derives the operation's id from the event.
  EXPECT_EQ(ids.event_id(owner("ada").tenant, event.head.source, event.head.id), operation->id);
}

TEST_F(SubmitTest, AcceptsNoEventThatIngestFindsTooLarge) {
  // Every size around the edge, and users and names of every length, because headers and key count.
  const auto largest = [&](const std::string& user) {
    std::size_t least = 1'042'000, most = limits::event_bytes_max;
    while (least + 1 < most) {
      const auto bytes = (least + most) / 2;
      const bool taken = bool(submit_as(
          user, {.doc_id = "edge-zzzz", .name = "edge", .text = std::string(bytes, 'x')}));
      (taken ? least : most) = bytes;
    }
    return least;
  };
  for (const auto& user : {std::string("alice"), std::string(200, 'u')}) {
    sink.records.clear();
    const auto bytes = largest(user);
    EXPECT_GT(bytes, 1'042'000u);
    const auto& last = sink.records.back();
    EXPECT_LE(wire::event_bytes(
                  {.topic = {}, .key = last.key, .value = last.value, .headers = &last.headers}),
              limits::event_bytes_max - 4'096);
    EXPECT_EQ(event_at(sink.records.size() - 1).head.user.value(), user);
    const auto announced = operations.known.size();
    const auto refused = submit_as(
        user, {.doc_id = "edge-zzzz", .name = "edge", .text = std::string(bytes + 1, 'x')});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::payload_too_large);
    EXPECT_EQ(refused.error().field, "/text");
    EXPECT_EQ(operations.known.size(), announced) << "an operation is announced that never ends";
  }
}

TEST_F(SubmitTest, AcceptsNoAttributesThatIngestFindsTooLarge) {
  const auto with = [&](std::size_t bytes) {
    return submit_as("ada", {.text = "t",
                             .attributes_json = R"({"a":")" + std::string(bytes, 'x') + "\"}",
                             .at_ms = now_ms});
  };
  ASSERT_TRUE(with(8'000));
  EXPECT_LE(wire::meta_of(event_at(0)).size(), wire::meta_bytes_max);
  for (const std::size_t bytes : {8'150u, 8'192u, 16'370u}) {
    const auto refused = with(bytes);
    ASSERT_FALSE(refused) << bytes;
    EXPECT_EQ(refused.error().code, Errc::payload_too_large);
    EXPECT_EQ(refused.error().field, "/attributes");
  }
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(SubmitTest, AnnouncesBeforeItPublishes) {
  sink.faults.error = Error{Errc::unavailable, "broker"};
  EXPECT_THROW((void)submit_text("a"), Outage);
  EXPECT_EQ(operations.known.size(), 1u);
  operations.known.clear();
  operations.faults.error = Error{Errc::unavailable, "database"};
  EXPECT_THROW((void)submit_text("a"), Outage);
  EXPECT_EQ(sink.faults.calls, 1);
}

TEST_F(SubmitTest, AnnouncesNothingWhileKafkaCannotBeReached) {
  const auto ended = submit_text("once", "key-1"), waiting = submit_text("other", "key-2");
  operations.known.at({owner("ada").tenant, ended->id}).state = ports::OperationState::succeeded;
  sink.is_reachable = false;
  for (const auto* key : {"", "key-2", "key-3"}) {
    const auto refused = submit_text("other", key);
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_EQ(refused.error().message,
              "Kafka cannot be reached, so nothing was accepted; try again later");
  }
  EXPECT_EQ(operations.known.size(), 2u);
  EXPECT_EQ(sink.records.size(), 2u);
  EXPECT_EQ(submit_text("once", "key-1")->state, ports::OperationState::succeeded);
  sink.is_reachable = true;
  EXPECT_TRUE(submit_text("other", "key-2"));
  EXPECT_EQ(sink.records.size(), 3u);
}

TEST_F(SubmitTest, PublishesNothingForAnErasedTenant) {
  operations.erased = true;
  EXPECT_THROW((void)submit_text("a"), Refused);
  EXPECT_EQ(sink.faults.calls, 0);
}

TEST_F(SubmitTest, WithoutAKeyEverySubmissionIsAnEventOfItsOwn) {
  const auto first = submit_text("same"), second = submit_text("same");
  EXPECT_NE(first->id, second->id);
  EXPECT_EQ(first->doc_id, second->doc_id);
  EXPECT_NE(event_at(0).head.id, event_at(1).head.id);
}

TEST_F(SubmitTest, PublishesTheSameEventAgainWhileItsOperationIsQueued) {
  const auto first = submit_text("once", "key-1"), second = submit_text("once", "key-1");
  EXPECT_EQ(first->id, second->id);
  ASSERT_EQ(sink.records.size(), 2u);
  EXPECT_EQ(event_at(0).head.id, "key-1");
  EXPECT_EQ(event_at(1).head.id, "key-1");
}

TEST_F(SubmitTest, AnOperationThatEndedNeedsNoSecondEvent) {
  for (const auto state : {ports::OperationState::succeeded, ports::OperationState::failed}) {
    const std::string key(ports::operation_state_name(state));
    const auto first = submit_text("once", key);
    operations.known.at({owner("ada").tenant, first->id}).state = state;
    sink.records.clear();
    EXPECT_EQ(submit_text("once", key)->state, state);
    EXPECT_TRUE(sink.records.empty()) << key;
  }
}

TEST_F(SubmitTest, RefusesAKeyThatWasUsedForAnotherDocument) {
  ASSERT_TRUE(submit_text("once", "key-1"));
  const auto refused = submit_text("twice", "key-1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_field);
  EXPECT_EQ(refused.error().field, "Idempotency-Key");
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(SubmitTest, RefusesAKeyThatWasUsedForTheSameDocumentWithAnotherContent) {
  const Submission first{.idempotency_key = "key-1", .doc_id = "d", .text = "copper",
                         .at_ms = now_ms};
  ASSERT_TRUE(submit_as("ada", first));
  auto later = first;
  later.at_ms = now_ms + 5'000;
  EXPECT_TRUE(submit_as("ada", later)) << "a repetition has another time";
  for (const auto& change : std::vector<std::function<void(Submission&)>>{
           [](Submission& s) { s.text = "amber"; }, [](Submission& s) { s.tags.push_back("new"); },
           [](Submission& s) { s.name = "n"; }, [](Submission& s) { s.attributes_json = "{}"; },
           [](Submission& s) { s.mime_type = "text/markdown"; }}) {
    auto other = first;
    change(other);
    const auto refused = submit_as("ada", other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_field);
    EXPECT_EQ(refused.error().field, "Idempotency-Key");
  }
}

TEST_F(SubmitTest, AKeyIsItsOwnersAlone) {
  const auto ada = submit_as("ada", {.idempotency_key = "key-1", .text = "once"});
  const auto bob = submit_as("bob", {.idempotency_key = "key-1", .text = "other"});
  ASSERT_TRUE(bob);
  EXPECT_NE(ada->id, bob->id);
}

TEST_F(SubmitTest, NamesADocumentByItsOwnerNameAndText) {
  const auto doc = [&](const std::string& user, const std::string& name, const std::string& text) {
    return submit_as(user, {.name = name, .text = text})->doc_id;
  };
  const auto first = doc("ada", "n", "a");
  EXPECT_TRUE(first.starts_with("api-"));
  EXPECT_EQ(doc("ada", "n", "a"), first);
  EXPECT_NE(doc("ada", "n", "b"), first);
  EXPECT_NE(doc("ada", "m", "a"), first);
  EXPECT_NE(doc("bob", "n", "a"), first);
}

TEST_F(SubmitTest, RefusesADocumentIdThatIsNone) {
  EXPECT_FALSE(submit_as("ada", {.doc_id = "a\nb", .text = "a"}));
  EXPECT_TRUE(operations.known.empty());
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(SubmitTest, RefusesADocumentThatFillsMoreThanOneEventBeforeItAnnounces) {
  const auto refused = submit_text(std::string(limits::event_bytes_max, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::payload_too_large);
  EXPECT_TRUE(operations.known.empty());
  EXPECT_TRUE(sink.records.empty());
}

}  // namespace
}  // namespace memseal::index
