// Deletions: what they name, and on which topic.
#include "raw.hpp"

namespace memseal::wire {
namespace {

using namespace testing;

Record deletion(const std::string& data, const std::string& topic = "memory.upload.v1",
                const std::string& extra = "") {
  return {.topic = topic, .value = structured(data, extra, "com.acme.memory.delete.v1")};
}

DeleteEvent deleted_by(const Record& record) {
  auto event = parse_event(record.raw());
  EXPECT_TRUE(event) << event.error().field << ' ' << event.error().message;
  return std::get<DeleteEvent>(*event);
}

std::string refusal(const Record& record) {
  const auto event = parse_event(record.raw());
  return event ? "(accepted)" : event.error().field + " " + event.error().message;
}

TEST(Deletion, NamesADocumentOrTurnsOfAConversation) {
  const auto document = deleted_by(deletion(R"({"doc_id":"a.txt"})"));
  EXPECT_EQ(document.doc_id.value(), "a.txt");
  EXPECT_FALSE(document.is_conversation);
  EXPECT_EQ(document.origin, Origin::upload);
  EXPECT_EQ(document.head.user.value(), "u-1");
  const std::string from_http = R"("sourcekind":"api",)";
  EXPECT_EQ(deleted_by(deletion(R"({"doc_id":"a"})", "memory.upload.v1", from_http)).origin,
            Origin::api);
  const auto all = deleted_by(deletion(R"({"conversation_id":"c"})", "memory.chat.v1"));
  EXPECT_TRUE(all.is_conversation);
  EXPECT_EQ(all.origin, Origin::chat);
  EXPECT_FALSE(all.before_ms);
  const auto some = deleted_by(
      deletion(R"({"conversation_id":"c","before":"2026-03-04T05:06:07Z"})", "events.of.mine"));
  EXPECT_EQ(some.before_ms, 1'772'600'767'000);
}

TEST(Deletion, ThatNamesNothingOrTwoThingsIsRefusedByName) {
  EXPECT_EQ(refusal(deletion("{}")),
            "/data must name what to delete: a doc_id or a conversation_id");
  EXPECT_EQ(refusal(deletion(R"({"doc_id":"a","conversation_id":"c"})", "t")),
            "/data must name what to delete: a doc_id or a conversation_id");
  EXPECT_EQ(refusal(deletion(R"({"doc_id":"a","before":"2026-03-04T05:06:07Z"})")),
            "/data/before belongs to a conversation_id");
  EXPECT_EQ(refusal(deletion(R"({"conversation_id":"c","before":"soon"})", "t")),
            "/data/before is not an RFC 3339 time");
  EXPECT_TRUE(refusal(deletion(R"({"doc_id":"a","revision":3})")).starts_with("/data/revision"));
  EXPECT_EQ(refusal(deletion(R"({"doc_id":"a"})", "memory.chat.v1")),
            "/data/doc_id is deleted on the topic of documents");
  EXPECT_EQ(refusal(deletion(R"({"conversation_id":"c"})")),
            "/data/conversation_id is deleted on the topic of its turns");
  EXPECT_EQ(refusal(with(binary_upload("text"), "ce_type", "memory.delete.v1")).substr(0, 5),
            "/data");
}

TEST(Deletion, IsReadAsItWasWritten) {
  EventHead head{.id = "e", .source = "/s", .user = UserId::parse("u-1").value(),
                 .time_ms = 1'700'000'000'000};
  const auto id = DocId::parse("naïve \"id\"").value();
  for (const bool is_conversation : {false, true}) {
    DeleteEvent event{head, id, is_conversation, {},
                      is_conversation ? Origin::chat : Origin::api};
    if (is_conversation) event.before_ms = 1'772'600'767'123;
    const auto written = make_delete_event(event);
    const auto again = deleted_by({.topic = is_conversation ? "memory.chat.v1" : "memory.upload.v1",
                             .value = written});
    EXPECT_EQ(again.doc_id, id);
    EXPECT_EQ(again.is_conversation, is_conversation);
    EXPECT_EQ(again.before_ms, event.before_ms);
    EXPECT_EQ(again.origin, event.origin);
    EXPECT_EQ(again.head.time_ms, head.time_ms);
    EXPECT_EQ(make_delete_event(again), written);
  }
}

}  // namespace
}  // namespace memseal::wire
