#include "cases/index/submit.hpp"

#include "base/limits.hpp"
#include "pure/wire/event.hpp"
#include "support/run_loop.hpp"
#include "unit/http/fakes.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::index {
namespace {

constexpr std::int64_t now_ms = 1'700'000'000'123;

struct SubmitTest : ::testing::Test {
  crypto::Keyring keyring =
      crypto::Keyring::from_keys(fakes::test_key(1), fakes::test_key(2), fakes::test_key(3))
          .value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  fakes::Operations operations;
  fakes::Sink sink;
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
  EXPECT_EQ(operation->kind, "api");
  EXPECT_EQ(operation->created_at_ms, now_ms);
  ASSERT_EQ(sink.records.size(), 1u);
  EXPECT_EQ(sink.records[0].channel, ports::Channel::upload);
  EXPECT_EQ(sink.records[0].key, "ada");
  const auto event = event_at(0);
  EXPECT_EQ(event.head.source, event_source);
  EXPECT_EQ(event.head.user.value(), "ada");
  EXPECT_EQ(event.head.time_ms, now_ms);
  EXPECT_EQ(event.revision, now_ms);
  EXPECT_EQ(event.doc_id.value(), "note");
  EXPECT_EQ(event.name, "note.md");
  EXPECT_EQ(event.mime_type, "text/markdown");
  EXPECT_EQ(event.text, "remember me");
  EXPECT_EQ(event.tags, std::vector<std::string>{"t"});
  EXPECT_EQ(event.attributes_json, R"({"page":1})");
  EXPECT_EQ(event.source_kind, "api");
  // Ingest derives the operation's id from the event.
  EXPECT_EQ(ids.event_id(owner("ada").tenant, event.head.source, event.head.id), operation->id);
}

TEST_F(SubmitTest, AnnouncesBeforeItPublishes) {
  sink.mood.outage = Error{Errc::unavailable, "broker"};
  EXPECT_THROW((void)submit_text("a"), Outage);
  EXPECT_EQ(operations.known.size(), 1u);
  operations.known.clear();
  operations.mood.outage = Error{Errc::unavailable, "database"};
  EXPECT_THROW((void)submit_text("a"), Outage);
  EXPECT_EQ(sink.mood.calls, 1);
}

TEST_F(SubmitTest, PublishesNothingForAnErasedTenant) {
  operations.erased = true;
  EXPECT_THROW((void)submit_text("a"), Refused);
  EXPECT_EQ(sink.mood.calls, 0);
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
