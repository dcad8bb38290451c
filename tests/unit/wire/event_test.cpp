#include "pure/wire/event.hpp"

#include "base/limits.hpp"
#include "raw.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace memseal::wire {
namespace {

using namespace testing;

TEST(BinaryEvent, TakesTheMediaTypeFromEitherHeader) {
  const auto both = with(binary_upload(), "ce_datacontenttype", "application/json");
  EXPECT_EQ(upload_of(both).text, "hi");
  EXPECT_EQ(upload_of(with(both, "content-type", "Application/JSON; charset=utf-8")).text, "hi");
  EXPECT_EQ(upload_of(without(both, "content-type")).text, "hi");
  EXPECT_EQ(upload_of(without(binary_upload(), "content-type")).text, "hi");
  const auto text =
      with(without(binary_upload("bare"), "content-type"), "ce_datacontenttype", "text/plain");
  EXPECT_EQ(upload_of(text).text, "bare");
}

TEST(Event, ReadsAStructuredUpload) {
  auto record = structured_upload(
      R"({"file":{"name":"a.md","mime_type":"Text/Markdown; charset=UTF-8","size":4,)"
      R"("sha256":"AB00000000000000000000000000000000000000000000000000000000000000"},)"
      R"("content":{"encoding":"utf8","data":"h\u00e9!"},"doc_id":"d/1","revision":7,)"
      R"("attributes":{"n":0.1,"s":"x","big":18446744073709551615},"tags":["a","b","a"]})",
      R"("time":"2023-11-14T22:13:20Z","traceparent":"00-1","ext":true,"count":3,)");
  record.headers = {{"content-type", "application/cloudevents+json; charset=utf-8"}};
  const auto upload = upload_of(record);
  EXPECT_EQ(upload.head.id, "e-1");
  EXPECT_EQ(upload.head.source, "/app");
  EXPECT_EQ(upload.head.user.value(), "u-1");
  EXPECT_EQ(upload.head.time_ms, 1'700'000'000'000);
  EXPECT_EQ(upload.doc_id.value(), "d/1");
  EXPECT_EQ(upload.name, "a.md");
  EXPECT_EQ(upload.mime_type, "text/markdown");
  EXPECT_EQ(upload.text, "h\xc3\xa9!");
  EXPECT_EQ(upload.revision, 7);
  EXPECT_EQ(upload.content_sha256_hex,
            "ab00000000000000000000000000000000000000000000000000000000000000");
  EXPECT_EQ(upload.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(upload.attributes_json, R"({"n":0.1,"s":"x","big":18446744073709551615})");
  EXPECT_EQ(upload.origin, Origin::upload);
}

TEST(Event, ReadsBareJsonWithoutAnyHeader) {
  auto record = structured_upload();
  record.key.clear();
  auto raw = record.raw();
  raw.headers = nullptr;
  const auto event = parse_event(raw);
  ASSERT_TRUE(event);
  const auto& upload = std::get<UploadEvent>(*event);
  EXPECT_EQ(upload.doc_id.value(), "a.txt");
  EXPECT_EQ(upload.head.time_ms, record.timestamp_ms) << "the record's time where there is none";
  EXPECT_EQ(upload.revision, std::nullopt) << "then the order of arrival decides, not a clock";
}

TEST(Event, TakesNoTimeFromARecordWhoseClockIsAbsurd) {
  for (const std::int64_t timestamp_ms :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
        std::int64_t{-1}}) {
    auto record = structured_upload();
    record.timestamp_ms = timestamp_ms;
    EXPECT_EQ(upload_of(record).head.time_ms, 0);
  }
}

TEST(Event, ItsTimeIsNoRevision) {
  for (const std::string time : {"1960-01-01T00:00:00Z", "2023-11-14T22:13:20Z"}) {
    const auto upload =
        upload_of(structured_upload(upload_data, R"("time":")" + time + R"(",)"));
    EXPECT_NE(upload.head.time_ms, 0);
    EXPECT_EQ(upload.revision, std::nullopt);
  }
}

TEST(Event, ReadsABinaryUpload) {
  auto record = binary_upload();
  record = with(record, "ce_time", "2024-02-29T12:00:00.250+02:00");
  record = with(record, "ce_partitionkey", "u-1");
  record = with(record, "authtoken", "no longer read");
  const auto upload = upload_of(record);
  EXPECT_EQ(upload.text, "hi");
  EXPECT_EQ(upload.head.time_ms, 1'709'200'800'250);
}

TEST(Event, ReadsABinaryUploadWithoutContentTypeAsJson) {
  EXPECT_EQ(upload_of(without(binary_upload(), "content-type")).text, "hi");
}

TEST(Event, ReadsBareTextInBinaryMode) {
  auto record = with(binary_upload("# Title\n"), "content-type", "text/markdown");
  auto upload = upload_of(record);
  EXPECT_EQ(upload.text, "# Title\n");
  EXPECT_EQ(upload.mime_type, "text/markdown");
  EXPECT_EQ(upload.doc_id.value(), "e-1") << "the event's id where nothing else names it";
  upload = upload_of(with(record, "ce_filename", "notes.md"));
  EXPECT_EQ(upload.doc_id.value(), "notes.md");
  EXPECT_EQ(upload.name, "notes.md");
  upload = upload_of(with(with(record, "ce_filename", "notes.md"), "ce_docid", "d-9"));
  EXPECT_EQ(upload.doc_id.value(), "d-9");
}

TEST(Event, ReadsBareTextInStructuredMode) {
  const auto upload = upload_of(
      structured_upload(R"("plain words")", R"("datacontenttype":"text/plain","docid":"d",)"));
  EXPECT_EQ(upload.text, "plain words");
  EXPECT_EQ(upload.doc_id.value(), "d");
}

TEST(Event, ReadsBase64ContentAndBase64Data) {
  const auto content =
      upload_of(structured_upload(R"({"file":{"mime_type":"text/plain","size":2},)"
                                  R"("content":{"encoding":"base64","data":"aGk="}})"));
  EXPECT_EQ(content.text, "hi");
  EXPECT_EQ(content.doc_id.value(), "e-1");
  Record record{.value = R"({"specversion":"1.0","id":"e","source":"s","type":"memory.upload.v1",)"
                         R"("datacontenttype":"text/plain","data_base64":"aGk="})"};
  EXPECT_EQ(upload_of(record).text, "hi");
}

TEST(Event, MayReferToAStoredFile) {
  const std::string id = "0198c0de-0000-7000-8000-0123456789ab";
  const auto upload =
      upload_of(structured_upload(R"({"file":{"mime_type":"text/plain"},"content":{"ref":)"
                                  R"("memseal-file:)" + id + R"("},"doc_id":"d"})"));
  ASSERT_TRUE(upload.file);
  EXPECT_EQ(upload.file->to_string(), id);
  EXPECT_EQ(upload.text, "");
  EXPECT_EQ(upload_of({.value = make_upload_event(upload)}).file, upload.file);
  EXPECT_EQ(with_text(upload, "\xef\xbb\xbfhi").text, "hi") << "as a text that is sent";
}

TEST(Event, TakesTheUserFromTheKeyWhereNoSubjectIs) {
  EXPECT_EQ(upload_of(without(binary_upload(), "ce_subject")).head.user.value(), "u-1");
}

TEST(Event, TreatsANullAttributeAsUnset) {
  EXPECT_EQ(upload_of(structured_upload(upload_data, R"("time":null,)")).head.time_ms,
            1'700'000'000'000);
}

TEST(Event, ReadsAChat) {
  const auto chat = chat_of(
      structured_chat(R"({"conversation_id":"c-1","messages":[)"
                      R"({"role":"user","content":"hello","created_at":"1970-01-01T00:00:01Z"},)"
                      R"({"role":"tool","content":""}],"tags":["t"],"attributes":{}})"));
  EXPECT_EQ(chat.conversation_id.value(), "c-1");
  ASSERT_EQ(chat.messages.size(), 2u);
  EXPECT_EQ(chat.messages[0].created_at_ms, 1'000);
  EXPECT_EQ(chat.messages[1].role, "tool");
  EXPECT_EQ(chat.tags, std::vector<std::string>{"t"});
  EXPECT_EQ(chat.attributes_json, "{}");
}

TEST(Event, ReadsAThousandMessagesAndNotOneMore) {
  const auto chat_with = [](int count) {
    std::string messages;
    for (int i = 0; i < count; ++i)
      messages += std::string(i == 0 ? "" : ",") + R"({"role":"user","content":"x"})";
    return structured_chat(R"({"conversation_id":"c","messages":[)" + messages + "]}");
  };
  EXPECT_EQ(chat_of(chat_with(1'000)).messages.size(), 1'000u);
  const auto refused = parse_event(chat_with(1'001).raw());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "/data/messages");
}

TEST(Event, AcceptsAnyReverseDnsPrefixOfTheType) {
  for (const std::string type :
       {"memory.upload.v1", "dev.memseal.memory.upload.v1", "com.a-1.b.memory.upload.v1"}) {
    Record record{.value = structured(upload_data, "", type)};
    EXPECT_TRUE(parse_event(record.raw())) << type;
  }
}

TEST(Event, OnATopicOfAnotherNameTheTypeAloneDecides) {
  auto record = structured_chat();
  record.topic = "all-events";
  EXPECT_TRUE(parse_event(record.raw()));
}

TEST(Event, RefusesAnEventThatIsTooLarge) {
  const auto record_of = [](std::size_t size) {
    auto record = with(binary_upload(""), "content-type", "text/plain");
    const auto headers = [&] {
      std::size_t sum = record.key.size();
      for (const auto& [name, value] : record.headers) sum += name.size() + value.size();
      return sum;
    }();
    record.value.assign(size - headers, 'x');
    return record;
  };
  EXPECT_TRUE(parse_event(record_of(limits::event_bytes_max).raw()));
  const auto refused = parse_event(record_of(limits::event_bytes_max + 1).raw());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::event_too_large);
}

TEST(SenderOf, NamesTheUserOfAMalformedEvent) {
  EXPECT_EQ(sender_of(Record{.value = "{nonsense"}.raw()).user->value(), "u-1");
  EXPECT_EQ(sender_of(Record{.key = "", .value = structured("17")}.raw()).user->value(), "u-1");
  auto binary = binary_upload("{nonsense");
  binary.key.clear();
  EXPECT_EQ(sender_of(binary.raw()).user->value(), "u-1");
  binary = with(binary, "content-type", "nonsense");
  EXPECT_EQ(sender_of(binary.raw()).user->value(), "u-1");
}

TEST(SenderOf, NamesNobodyWhenTheEventNamesNobodyOrContradictsItself) {
  EXPECT_FALSE(sender_of(Record{.key = "", .value = "{nonsense"}.raw()).user);
  EXPECT_FALSE(sender_of(Record{.key = "u-2", .value = structured()}.raw()).user);
  EXPECT_FALSE(sender_of(with(binary_upload(), "ce_subject", "u-2").raw()).user);
  EXPECT_FALSE(sender_of(Record{.key = std::string(257, 'x'), .value = "{"}.raw()).user);
}

TEST(MakeUploadEvent, IsReadBackAsItWas) {
  const UploadEvent made{
      .head = {"e \"1\"", "/memseal", *UserId::parse("us\xc3\xa9r/1"), 1'700'000'000'123},
      .doc_id = *DocId::parse("d 1"),
      .name = "file.md",
      .mime_type = "text/markdown",
      .text = "line one\nline \"two\" \xf0\x9f\x98\x80\t",
      .revision = 42,
      .content_sha256_hex = std::string(64, 'a'),
      .tags = {"x", "y"},
      .attributes_json = R"({"a":[1,2.5,-3,null,true],"b":{"c":"d"}})",
      .origin = Origin::api};
  const Record record{.key = "us\xc3\xa9r/1", .value = make_upload_event(made)};
  const auto read = upload_of(record);
  EXPECT_EQ(read.head.id, made.head.id);
  EXPECT_EQ(read.head.source, made.head.source);
  EXPECT_EQ(read.head.user, made.head.user);
  EXPECT_EQ(read.head.time_ms, made.head.time_ms);
  EXPECT_EQ(read.doc_id, made.doc_id);
  EXPECT_EQ(read.name, made.name);
  EXPECT_EQ(read.mime_type, made.mime_type);
  EXPECT_EQ(read.text, made.text);
  EXPECT_EQ(read.revision, made.revision);
  EXPECT_EQ(read.content_sha256_hex, made.content_sha256_hex);
  EXPECT_EQ(read.tags, made.tags);
  EXPECT_EQ(read.attributes_json, made.attributes_json);
  EXPECT_EQ(read.origin, made.origin);
  EXPECT_EQ(make_upload_event(read), record.value);
}

TEST(MakeChatEvent, IsReadBackAsItWas) {
  const ChatEvent made{
      .head = {"e-2", "/memseal", *UserId::parse("u-1"), 1'700'000'000'000},
      .conversation_id = *DocId::parse("c-1"),
      .messages = {{"user", "what?", 1'600'000'000'001}, {"assistant", "that.", 0}},
      .tags = {"t"},
      .attributes_json = R"({"k":"v"})"};
  const Record record{.topic = "memory.chat.v1", .value = make_chat_event(made)};
  const auto read = chat_of(record);
  EXPECT_EQ(read.conversation_id, made.conversation_id);
  ASSERT_EQ(read.messages.size(), 2u);
  EXPECT_EQ(read.messages[0].content, "what?");
  EXPECT_EQ(read.messages[0].created_at_ms, 1'600'000'000'001);
  EXPECT_EQ(read.messages[1].role, "assistant");
  EXPECT_EQ(read.attributes_json, made.attributes_json);
  EXPECT_EQ(make_chat_event(read), record.value);
}

}  // namespace
}  // namespace memseal::wire
