// Events as the clients and SDKs of others write them: what is taken, and what is made of it.
#include "raw.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

using namespace testing;

Record chat(const std::string& messages) {
  return structured_chat(R"({"conversation_id":"c","messages":)" + messages + "}");
}

struct Turn {
  std::string what, message, content;
  std::size_t silent = 0, other_parts = 0;
};

TEST(ChatOfProducers, HoldsTheTextOfEachTurnAndCountsWhatHasNone) {
  const std::vector<Turn> turns{
      {"content null beside tool_calls",
       R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1"}]})", "", 1},
      {"content null alone", R"({"role":"assistant","content":null})", "", 1},
      {"no content, but tool_calls", R"({"role":"assistant","tool_calls":[]})", "", 1},
      {"no content, but a function_call", R"({"role":"assistant","function_call":{}})", "", 1},
      {"no content, but a refusal", R"({"role":"assistant","refusal":"no"})", "", 1},
      {"an empty content", R"({"role":"assistant","content":"","tool_calls":[]})", "", 1},
      {"white space", R"({"role":"user","content":" \n\t"})", " \n\t", 1},
      {"no part", R"({"role":"user","content":[]})", "", 1},
      {"one text part", R"({"role":"user","content":[{"type":"text","text":"hi"}]})", "hi"},
      {"texts of several kinds",
       R"({"role":"user","content":[{"type":"input_text","text":"a"},"b",)"
       R"({"type":"output_text","text":"c","annotations":[]}]})",
       "a\nb\nc"},
      {"an image beside a text",
       R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}},)"
       R"({"type":"text","text":"hi"}]})",
       "hi", 0, 1},
      {"nothing but images", R"({"role":"user","content":[{"type":"image"},{"type":"file"}]})", "",
       1, 2},
      {"the role developer", R"({"role":"developer","content":"Be brief."})", "Be brief."},
      {"the role tool", R"({"role":"tool","tool_call_id":"c1","content":"booked"})", "booked"},
      {"the role function", R"({"role":"function","name":"f","content":"1"})", "1"},
      {"members of the client's own",
       R"({"role":"user","name":"al","id":"m1","metadata":{"a":1},"content":"hi"})", "hi"},
      {"a zero byte", R"({"role":"user","content":"a\u0000b"})", "ab"},
      {"nothing but a zero byte", R"({"role":"user","content":"\u0000"})", "", 1},
      {"a lone surrogate", R"({"role":"user","content":"a\ud83db"})", "a\xef\xbf\xbd" "b"},
      {"a pair of surrogates", R"({"role":"user","content":"\ud83d\ude00"})", "\xf0\x9f\x98\x80"},
  };
  for (const auto& turn : turns) {
    const auto event = chat_of(chat(R"([{"role":"user","content":"plain"},)" + turn.message + "]"));
    ASSERT_EQ(event.messages.size(), 2u) << turn.what;
    EXPECT_EQ(event.messages[0].content, "plain") << turn.what;
    EXPECT_EQ(event.messages[1].content, turn.content) << turn.what;
    EXPECT_EQ(has_text(event.messages[1]), turn.silent == 0) << turn.what;
    EXPECT_EQ(event.head.adapted.silent_turns, turn.silent) << turn.what;
    EXPECT_EQ(event.head.adapted.other_parts, turn.other_parts) << turn.what;
  }
}

TEST(ChatOfProducers, NamesOnlyTheRolesThatSaidSomething) {
  const auto event = chat_of(
      chat(R"([{"role":"user","content":"x"},{"role":"assistant","content":null}])"));
  EXPECT_NE(meta_of(event).find(R"("roles":["user"])"), std::string::npos) << meta_of(event);
}

struct Attributes {
  std::string what;
  Headers headers;
  bool is_taken;
};

TEST(BinaryOfProducers, HasItsAttributesUnderEitherPrefix) {
  const std::string type = "dev.memseal.memory.upload.v1";
  const Headers http{{"content-type", "application/json"}, {"ce-specversion", "1.0"},
                     {"ce-id", "1"}, {"ce-source", "/s"}, {"ce-subject", "u-1"}, {"ce-type", type}};
  auto both = http;
  both.insert(both.end(), {{"ce_specversion", "1.0"}, {"ce_id", "1"}});
  auto contradicting = http;
  contradicting.emplace_back("ce_id", "2");
  auto twice = http;
  twice.emplace_back("ce-id", "1");
  const std::vector<Attributes> cases{{"the prefix of HTTP", http, true},
                                      {"both prefixes, the same", both, true},
                                      {"two ids", contradicting, false},
                                      {"one id twice", twice, false}};
  for (const auto& one : cases) {
    const Record record{.value = upload_data, .headers = one.headers};
    const auto event = parse_event(record.raw());
    EXPECT_EQ(static_cast<bool>(event), one.is_taken) << one.what;
    if (!event) {
      EXPECT_EQ(event.error().field, "/id") << one.what;
    }
  }
}

TEST(BinaryOfProducers, IsToldAboutThePrefixWhenItIsRefusedForSomethingElse) {
  Record record{.value = R"({"doc_id":"d"})",
                .headers = {{"ce-specversion", "1.0"}, {"ce-id", "1"}, {"ce-source", "/s"},
                            {"ce-subject", "u-1"}, {"ce-type", "memory.upload.v1"}}};
  const auto event = parse_event(record.raw());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().field, "/data/file");
  EXPECT_NE(event.error().message.find("the prefix for Kafka is ce_"), std::string::npos);
}

TEST(Batch, IsRefusedWithTheReason) {
  for (const auto& record :
       {with({.value = "[]"}, "content-type", "application/cloudevents-batch+json"),
        Record{.value = "[" + structured() + "]"}}) {
    const auto event = parse_event(record.raw());
    ASSERT_FALSE(event);
    EXPECT_NE(event.error().message.find("publish each event as a record of its own"),
              std::string::npos)
        << event.error().message;
  }
}

TEST(Tombstone, IsARecordWithoutValueAndAttributes) {
  EXPECT_TRUE(is_tombstone(Record{.value = ""}.raw()));
  EXPECT_TRUE(is_tombstone(Record{.value = "", .headers = {{"trace", "x"}}}.raw()));
  EXPECT_FALSE(is_tombstone(binary_upload("").raw())) << "an event whose data is missing";
  EXPECT_FALSE(is_tombstone(structured_upload().raw()));
}

TEST(ByteOrderMark, IsDroppedInFrontOfTheEventAndOfItsText) {
  const std::string mark = "\xef\xbb\xbf";
  auto event = upload_of({.value = mark + structured()});
  EXPECT_EQ(event.text, "hi");
  EXPECT_EQ(event.head.adapted.byte_order_marks, 1u);
  event = upload_of(binary_upload(mark + upload_data));
  EXPECT_EQ(event.text, "hi");
  event = upload_of(with(binary_upload(mark + "bare " + mark), "content-type", "text/plain"));
  EXPECT_EQ(event.text, "bare " + mark) << "only in front";
  event = upload_of(structured_upload(R"({"file":{"mime_type":"text/plain","size":5},)"
                                      R"("content":{"encoding":"base64","data":"77u/aGk="}})"));
  EXPECT_EQ(event.text, "hi") << "and the size is the one that was sent";
}

TEST(ZeroBytes, AreDroppedAndCounted) {
  const auto raw =
      upload_of(with(binary_upload(std::string("a\0b\0", 4)), "content-type", "text/plain"));
  EXPECT_EQ(raw.text, "ab");
  EXPECT_EQ(raw.head.adapted.zero_bytes, 2u);
  EXPECT_EQ(raw.text_as_sent, "") << "nobody compares it with a hash";
  const auto hashed = upload_of(structured_upload(
      R"({"file":{"mime_type":"text/plain","sha256":")" + std::string(64, 'a') +
      R"("},"content":{"encoding":"utf8","data":"a\u0000b"}})"));
  EXPECT_EQ(hashed.text, "ab");
  EXPECT_EQ(hashed.text_as_sent, std::string("a\0b", 3)) << "the hash is of what was sent";
}

TEST(LoneSurrogate, BecomesTheReplacementCharacterInTextsOnly) {
  const auto text = structured_upload(R"({"file":{"mime_type":"text/plain"},)"
                                      R"("content":{"encoding":"utf8","data":"x\udc00y"}})");
  EXPECT_EQ(upload_of(text).text, "x\xef\xbf\xbdy");
  EXPECT_EQ(upload_of(text).head.adapted.lone_surrogates, 1u);
  auto binary = binary_upload(text.value.substr(text.value.find(R"("data":)") + 7));
  binary.value.pop_back();
  EXPECT_EQ(upload_of(binary).text, "x\xef\xbf\xbdy");
  const std::string content = R"(,"content":{"encoding":"utf8","data":"x"}})";
  const std::string file = R"({"file":{"mime_type":"text/plain"})";
  for (const auto& record :
       {structured_upload(file + R"(,"doc_id":"\ud800")" + content),
        structured_upload(file + R"(,"tags":["\ud800"])" + content),
        structured_upload(file + R"(,"attributes":{"\ud800":1})" + content),
        structured_upload(upload_data, R"("partitionkey":"\ud800",)"),
        Record{.value = R"({"specversion":"1.0","id":"\ud800","source":"s",)"
                        R"("type":"memory.upload.v1","data":)" + upload_data + "}"}}) {
    const auto event = parse_event(record.raw());
    ASSERT_FALSE(event) << "two ids could become one: " << record.value;
    EXPECT_EQ(event.error().code, Errc::bad_event);
  }
}

TEST(SenderOf, NamesTheEventOfMalformedData) {
  const auto sender = sender_of(structured_upload("{}").raw());
  EXPECT_EQ(sender.user.value().value(), "u-1");
  EXPECT_EQ(sender.id, "e-1");
  EXPECT_EQ(sender.source, "/app");
  const auto nameless = sender_of(with(binary_upload("{}"), "ce_id", "a\nb").raw());
  EXPECT_EQ(nameless.id, "") << "what is no name is not repeated";
  EXPECT_EQ(sender_of(Record{.value = "{nonsense"}.raw()).id, "");
}

}  // namespace
}  // namespace memseal::wire
