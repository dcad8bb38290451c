#include "cases/index/submit_deletion.hpp"

#include "fakes/event_sink.hpp"
#include "fakes/operations.hpp"
#include "fakes/stored_memory.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/wire/event.hpp"
#include "support/run_loop.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

namespace memseal::index {
namespace {

using ports::MemoryKind;

constexpr std::int64_t asked_at_ms = 1'700'000'000'123;

struct SubmitDeletionTest : ::testing::Test {
  SubmitDeletionTest() {
    stored.entries[{owner("ada").tenant, MemoryKind::document}]["a"];
    stored.entries[{owner("ada").tenant, MemoryKind::conversation}]["a"];
  }

  Owner owner(const std::string& user) {
    const auto id = UserId::parse(user).value();
    return {id, tenants.tenant_of(id)};
  }
  Result<ports::Operation> submit(DeletionSubmission submission, const std::string& user = "ada") {
    Result<ports::Operation> made = Error{Errc::internal, "not run"};
    asio::io_context loop{1};
    test::run_to_end(loop, keep(user, std::move(submission), made));
    return made;
  }
  asio::awaitable<void> keep(const std::string& user, DeletionSubmission submission,
                             Result<ports::Operation>& made) {
    runtime::RequestContext context{"req-1", runtime::Deadline::after(std::chrono::seconds(10))};
    made = co_await submit_deletion(deps, stored, context, owner(user), std::move(submission));
  }
  static DeletionSubmission of(const std::string& id, MemoryKind kind = MemoryKind::document,
                               const std::string& key = {},
                               std::optional<std::int64_t> before_ms = {}) {
    return {key, kind, DocId::parse(id).value(), before_ms, asked_at_ms};
  }
  wire::DeleteEvent event_at(std::size_t i) {
    const auto& record = sink.records.at(i);
    const auto event = wire::parse_event(
        {.topic = {}, .key = record.key, .value = record.value, .headers = &record.headers});
    return std::get<wire::DeleteEvent>(event.value());
  }

  crypto::Keyring keyring = crypto::Keyring::from_keys(test::test_key_hex(1),
                                                       test::test_key_hex(2),
                                                       test::test_key_hex(3))
                                .value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  fakes::Operations operations;
  fakes::EventSink sink;
  fakes::StoredMemory stored;
  IndexDeps deps{operations, sink, ids};
};

TEST_F(SubmitDeletionTest, PublishesADeletionOnTheChannelOfWhatItDeletes) {
  const auto document = submit(of("a"));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->state, ports::OperationState::queued);
  EXPECT_EQ(document->deleted, 0);
  EXPECT_EQ(document->doc_id, "a");
  const auto turns = submit(of("a", MemoryKind::conversation, {}, 1'600'000'000'000));
  ASSERT_TRUE(turns);
  EXPECT_EQ(turns->origin, Origin::chat);
  ASSERT_EQ(sink.records.size(), 2u);
  EXPECT_EQ(sink.records[0].channel, ports::Channel::upload);
  EXPECT_EQ(sink.records[1].channel, ports::Channel::chat);
  EXPECT_EQ(sink.records[0].key, "ada");
  EXPECT_EQ(event_at(0).origin, Origin::api);
  EXPECT_EQ(event_at(0).head.time_ms, asked_at_ms);
  EXPECT_EQ(event_at(1).before_ms, 1'600'000'000'000);
  const auto owner_of = owner("ada").tenant;
  EXPECT_EQ(document->id, ids.event_id(owner_of, event_source, event_at(0).head.id))
      << "ingest finds the operation";
}

TEST_F(SubmitDeletionTest, OfWhatIsNotThereIsNotFoundAndChangesNothing) {
  for (const auto& [id, kind, user] : {std::tuple("absent", MemoryKind::document, "ada"),
                                       std::tuple("a", MemoryKind::document, "bob"),
                                       std::tuple("a", MemoryKind::conversation, "bob")}) {
    const auto refused = submit(of(id, kind), user);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::not_found);
  }
  EXPECT_TRUE(sink.records.empty());
  EXPECT_TRUE(operations.known.empty());
}

TEST_F(SubmitDeletionTest, WithAKeyIsOneOperationForOneRequest) {
  const auto first = submit(of("a", MemoryKind::document, "k"));
  ASSERT_TRUE(first);
  const auto again = submit(of("a", MemoryKind::document, "k"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first->id);
  stored.entries.clear();
  EXPECT_TRUE(submit(of("a", MemoryKind::document, "k"))) << "what it deleted is gone";
  for (const auto& other : {of("b", MemoryKind::document, "k"),
                            of("a", MemoryKind::conversation, "k"),
                            of("a", MemoryKind::conversation, "k", 5)}) {
    const auto refused = submit(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_field);
  }
}

}  // namespace
}  // namespace memseal::index
