// Events that must be refused, each with the code and the place that its producer is told.
#include "raw.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

using namespace testing;

struct BadEvent {
  std::string what;
  Record record;
  Errc code;
  std::string field;
};

std::string deep(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

Record bare(const std::string& value) { return {.value = value}; }

Record keyed(Record record, const std::string& key) {
  record.key = key;
  return record;
}

std::vector<BadEvent> bad_envelopes() {
  const auto E = Errc::bad_event;
  const std::string head =
      R"({"specversion":"1.0","id":"e","source":"s","type":"memory.upload.v1")";
  return {
      {"no bytes", bare(""), E, ""},
      {"no JSON", bare("hello"), E, ""},
      {"half a JSON", bare(R"({"specversion":"1.0")"), E, ""},
      {"two JSON texts", bare(structured() + "{}"), E, ""},
      {"an array", bare("[" + structured() + "]"), E, ""},
      {"a string", bare(R"("specversion")"), E, ""},
      {"a key twice", bare(R"({"specversion":"1.0","specversion":"1.0"})"), E, ""},
      {"33 levels", bare(R"({"specversion":)" + deep(32) + "}"), E, ""},
      {"ill-formed UTF-8", bare("{\"specversion\":\"\xff\"}"), E, ""},
      {"a lone surrogate outside a text",
       bare(structured(upload_data, R"("dataschema":"\ud800",)")), E, ""},
      {"a number beyond a double", bare(structured(upload_data, R"("n":1e999,)")), E, ""},
      {"comments", bare("/**/" + structured()), E, ""},
      {"no specversion", bare(R"({"id":"e"})"), E, "/specversion"},
      {"specversion 0.3",
       bare(R"({"specversion":"0.3","id":"e","source":"s",)"
            R"("type":"memory.upload.v1"})"),
       E, "/specversion"},
      {"specversion a number", bare(R"({"specversion":1.0})"), E, "/specversion"},
      {"no id", bare(R"({"specversion":"1.0","source":"s","type":"memory.upload.v1"})"), E, "/id"},
      {"an empty id", with(binary_upload(), "ce_id", ""), E, "/id"},
      {"an endless id", with(binary_upload(), "ce_id", std::string(1'025, 'x')), E, "/id"},
      {"an id of two lines", with(binary_upload(), "ce_id", "a\nb"), E, "/id"},
      {"an id that is no UTF-8", with(binary_upload(), "ce_id", "\xc0\xaf"), E, "/id"},
      {"no source", without(binary_upload(), "ce_source"), E, "/source"},
      {"no type", without(binary_upload(), "ce_type"), E, "/type"},
      {"an unknown type", with(binary_upload(), "ce_type", "com.acme.other.v1"),
       Errc::event_type_unknown, "/type"},
      {"a type that only ends alike", with(binary_upload(), "ce_type", "xmemory.upload.v1"),
       Errc::event_type_unknown, "/type"},
      {"a type with a space", with(binary_upload(), "ce_type", "a b.memory.upload.v1"),
       Errc::event_type_unknown, "/type"},
      {"a type of the next version", with(binary_upload(), "ce_type", "memory.upload.v2"),
       Errc::event_type_unknown, "/type"},
      {"a chat on the upload topic", with(binary_upload(), "ce_type", "memory.chat.v1"), E,
       "/type"},
      {"no user", keyed(without(binary_upload(), "ce_subject"), ""), Errc::event_without_user,
       "/subject"},
      {"an empty subject", with(binary_upload(), "ce_subject", ""), E, "/subject"},
      {"a subject that is not the key", with(binary_upload(), "ce_subject", "u-2"), E, "/subject"},
      {"a key that is not the subject", keyed(structured_upload(), "U-1"), E, "/subject"},
      {"an endless user", keyed(without(binary_upload(), "ce_subject"), std::string(257, 'u')), E,
       "/subject"},
      {"a user that is no UTF-8", keyed(without(binary_upload(), "ce_subject"), "\xed\xa0\x80"), E,
       "/subject"},
      {"another partition key", with(binary_upload(), "ce_partitionkey", "p"), E, "/partitionkey"},
      {"a subject that is a number", bare(head + R"(,"subject":7,"data":{}})"), E, "/subject"},
      {"a time without offset", with(binary_upload(), "ce_time", "2024-01-01T00:00:00"), E,
       "/time"},
      {"a day that is not", with(binary_upload(), "ce_time", "2023-02-29T00:00:00Z"), E, "/time"},
      {"an attribute in capitals", bare(structured(upload_data, R"("Foo":"x",)")), E, ""},
      {"an extension that is an object", bare(structured(upload_data, R"("foo":{},)")), E, "/foo"},
      {"two subjects",
       [] {
         auto record = binary_upload();
         record.headers.emplace_back("ce_subject", "u-1");
         return record;
       }(),
       E, "/subject"},
      {"two content types",
       [] {
         auto record = binary_upload();
         record.headers.emplace_back("Content-Type", "application/json");
         return record;
       }(),
       E, "/content-type"},
      {"a batch", with(bare("[]"), "content-type", "application/cloudevents-batch+json"), E,
       "/datacontenttype"},
      {"the Avro format", with(bare("x"), "content-type", "application/cloudevents+avro"), E,
       "/datacontenttype"},
      {"another charset", with(binary_upload("x"), "content-type", "text/plain; charset=utf-16"), E,
       "/datacontenttype"},
      {"a type of data nobody reads", with(binary_upload(), "content-type", "application/pdf"), E,
       "/datacontenttype"},
      {"two media types that contradict each other",
       with(binary_upload(), "ce_datacontenttype", "text/csv"), E, "/datacontenttype"},
      {"a source kind nobody knows", with(binary_upload(), "ce_sourcekind", "chat"), E,
       "/sourcekind"},
      {"no data", bare(head + R"(,"subject":"u-1"})"), E, "/data"},
      {"data and data_base64", bare(head + R"(,"data":{},"data_base64":"e30="})"), E,
       "/data_base64"},
      {"data_base64 that is none", bare(head + R"(,"data_base64":"e30"})"), E, "/data_base64"},
      {"data that is a list", structured_upload("[]"), E, "/data"},
      {"binary data that is no JSON", binary_upload("{"), E, "/data"},
      {"bare text that is no UTF-8", with(binary_upload("\x80"), "content-type", "text/plain"), E,
       "/data"},
      {"bare text of a chat",
       with(with(keyed(binary_upload("hi"), "u-1"), "content-type", "text/plain"), "ce_type",
            "memory.chat.v1"),
       E, "/type"},
  };
}

std::string upload_with(const std::string& file, const std::string& content,
                        const std::string& more = "") {
  return R"({"file":)" + file + R"(,"content":)" + content + more + "}";
}

std::vector<BadEvent> bad_data() {
  const auto E = Errc::bad_event;
  const std::string file = R"({"name":"a","mime_type":"text/plain"})";
  const std::string content = R"({"encoding":"utf8","data":"hi"})";
  const auto upload = [&](const std::string& more) {
    return structured_upload(upload_with(file, content, more));
  };
  const auto filed = [&](const std::string& other) {
    return structured_upload(upload_with(other, content));
  };
  const auto holding = [&](const std::string& other) {
    return structured_upload(upload_with(file, other));
  };
  const auto chat = [](const std::string& messages, const std::string& more = "") {
    return structured_chat(R"({"conversation_id":"c","messages":)" + messages + more + "}");
  };
  const std::string turn = R"({"role":"user","content":"x"})";
  std::string tags = "\"0\"";
  for (int i = 1; i < 17; ++i) tags += ",\"" + std::to_string(i) + '"';
  return {
      {"no file", structured_upload(R"({"content":)" + content + "}"), E, "/data/file"},
      {"no content", structured_upload(R"({"file":)" + file + "}"), E, "/data/content"},
      {"a file that is a string", filed("\"a\""), E, "/data/file"},
      {"no mime type", filed(R"({"name":"a"})"), E, "/data/file/mime_type"},
      {"a PDF", filed(R"({"mime_type":"application/pdf"})"), E, "/data/file/mime_type"},
      {"a name of 256 bytes",
       filed(R"({"mime_type":"text/plain","name":")" + std::string(256, 'n') + "\"}"), E,
       "/data/file/name"},
      {"a name of two lines", filed(R"({"mime_type":"text/plain","name":"a\nb"})"), E,
       "/data/file/name"},
      {"a wrong size", filed(R"({"mime_type":"text/plain","size":3})"), E, "/data/file/size"},
      {"a negative size", filed(R"({"mime_type":"text/plain","size":-1})"), E, "/data/file/size"},
      {"a size with a fraction", filed(R"({"mime_type":"text/plain","size":2.5})"), E,
       "/data/file/size"},
      {"a short sha256", filed(R"({"mime_type":"text/plain","sha256":"ab"})"), E,
       "/data/file/sha256"},
      {"a sha256 that is no hex",
       filed(R"({"mime_type":"text/plain","sha256":")" + std::string(64, 'g') + "\"}"), E,
       "/data/file/sha256"},
      {"an unknown member of file", filed(R"({"mime_type":"text/plain","nmae":"a"})"), E,
       "/data/file/nmae"},
      {"no encoding", holding(R"({"data":"hi"})"), E, "/data/content/encoding"},
      {"encoding utf-16", holding(R"({"encoding":"utf16","data":"hi"})"), E,
       "/data/content/encoding"},
      {"no content data", holding(R"({"encoding":"utf8"})"), E, "/data/content/data"},
      {"content data null", holding(R"({"encoding":"utf8","data":null})"), E, "/data/content/data"},
      {"base64 without padding", holding(R"({"encoding":"base64","data":"aGk"})"), E,
       "/data/content/data"},
      {"base64 with stray bits", holding(R"({"encoding":"base64","data":"aGl="})"), E,
       "/data/content/data"},
      {"base64 of the URL alphabet", holding(R"({"encoding":"base64","data":"_-8="})"), E,
       "/data/content/data"},
      {"base64 of ill-formed UTF-8", holding(R"({"encoding":"base64","data":"/w=="})"), E,
       "/data/content/data"},
      {"a reference to an address", holding(R"({"ref":"https://example.org/a"})"), E,
       "/data/content/ref"},
      {"a reference to a path", holding(R"({"ref":"memseal-file:../../etc/passwd"})"), E,
       "/data/content/ref"},
      {"a reference that is a number", holding(R"({"ref":1})"), E, "/data/content/ref"},
      {"a reference beside a text",
       holding(R"({"ref":"memseal-file:0198c0de-0000-7000-8000-0123456789ab",)"
               R"("encoding":"utf8","data":"hi"})"),
       E, "/data/content/encoding"},
      {"the size of a stored file",
       structured_upload(upload_with(
           R"({"mime_type":"text/plain","size":2})",
           R"({"ref":"memseal-file:0198c0de-0000-7000-8000-0123456789ab"})")),
       E, "/data/file/size"},
      {"an empty doc_id", upload(R"(,"doc_id":"")"), E, "/data/doc_id"},
      {"a doc_id with a tab", upload(R"(,"doc_id":"a\tb")"), E, "/data/doc_id"},
      {"a doc_id that is a number", upload(R"(,"doc_id":1)"), E, "/data/doc_id"},
      {"a negative revision", upload(R"(,"revision":-1)"), E, "/data/revision"},
      {"a revision beyond 63 bits", upload(R"(,"revision":9223372036854775808)"), E,
       "/data/revision"},
      {"17 tags", upload(R"(,"tags":[)" + tags + "]"), E, "/data/tags"},
      {"a tag of 65 bytes", upload(R"(,"tags":["a",")" + std::string(65, 't') + "\"]"), E,
       "/data/tags/1"},
      {"a tag with a control character", upload(R"(,"tags":["\u0007"])"), E, "/data/tags/0"},
      {"tags that are a string", upload(R"(,"tags":"a")"), E, "/data/tags"},
      {"attributes that are a list", upload(R"(,"attributes":[])"), E, "/data/attributes"},
      {"attributes of 17 KiB", upload(R"(,"attributes":{"a":")" + std::string(17'000, 'a') + "\"}"),
       E, "/data/attributes"},
      {"an unknown member", upload(R"(,"dataref":"s3://x")"), E, "/data/dataref"},
      {"an unknown member with a strange name", upload(R"(,"my secret":1)"), E, "/data"},
      {"no conversation", structured_chat(R"({"messages":[)" + turn + "]}"), E,
       "/data/conversation_id"},
      {"no messages", chat("[]"), E, "/data/messages"},
      {"a message that is a string", chat(R"(["hi"])"), E, "/data/messages/0"},
      {"a role nobody has", chat("[" + turn + R"(,{"role":"root","content":"x"}])"), E,
       "/data/messages/1/role"},
      {"a message without content", chat(R"([{"role":"user"}])"), E, "/data/messages/0/content"},
      {"content that is an object", chat(R"([{"role":"user","content":{}}])"), E,
       "/data/messages/0/content"},
      {"a part that is a number", chat(R"([{"role":"user","content":["x",1]}])"), E,
       "/data/messages/0/content/1"},
      {"a part without a type", chat(R"([{"role":"user","content":[{"text":"x"}]}])"), E,
       "/data/messages/0/content/0/type"},
      {"a text part without a text", chat(R"([{"role":"user","content":[{"type":"text"}]}])"), E,
       "/data/messages/0/content/0/text"},
      {"a time that is a number", chat(R"([{"role":"user","content":"x","created_at":1}])"), E,
       "/data/messages/0/created_at"},
      {"a time that is none", chat(R"([{"role":"user","content":"x","created_at":"now"}])"), E,
       "/data/messages/0/created_at"},
      {"a member beside the messages", chat("[" + turn + "]", R"(,"model":"m")"), E,
       "/data/model"},
  };
}

void expect_refused(const BadEvent& bad) {
  const auto event = parse_event(bad.record.raw());
  ASSERT_FALSE(event) << bad.what;
  EXPECT_EQ(errc_name(event.error().code), errc_name(bad.code)) << bad.what;
  EXPECT_EQ(event.error().field, bad.field) << bad.what << ": " << event.error().message;
  EXPECT_FALSE(event.error().message.empty()) << bad.what;
}

TEST(BadEvent, IsRefusedForItsEnvelope) {
  for (const auto& bad : bad_envelopes()) expect_refused(bad);
}

TEST(BadEvent, IsRefusedForItsData) {
  for (const auto& bad : bad_data()) expect_refused(bad);
}

TEST(BadEvent, IsRefusedWithoutAWordOfItsContent) {
  const std::string secret = "Tr0ub4dor";
  const std::vector<Record> records{
      bare("{\"" + secret + "\":" + secret),
      bare(structured(upload_data, "\"" + secret + " \":{},")),
      structured_upload(R"({"file":{"name":"a","mime_type":")" + secret + R"("},"content":{}})"),
      structured_upload(R"({"my )" + secret +
                        R"(":1,"file":{"mime_type":"text/plain"},)"
                        R"("content":{"encoding":"utf8","data":"x"}})"),
      with(binary_upload(), "ce_time", secret),
      with(binary_upload(), "ce_subject", secret),
      structured_chat(R"({"conversation_id":"c","messages":[{"role":")" + secret +
                      R"(","content":"x"}]})"),
  };
  for (const auto& record : records) {
    const auto event = parse_event(record.raw());
    ASSERT_FALSE(event);
    EXPECT_EQ(event.error().message.find(secret), std::string::npos) << event.error().message;
    EXPECT_EQ(event.error().field.find(secret), std::string::npos) << event.error().field;
  }
}

TEST(BadEvent, IsToldWhatItProbablyMeant) {
  const auto event = parse_event(
      structured_upload(R"({"file":{"mime_type":"text/plain","nmae":"a"},"content":{}})").raw());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message, "is not a known member; did you mean \"name\"?");
}

TEST(BadEvent, CutAnywhereOrWithAnyByteChangedNeverThrows) {
  const auto whole = structured_chat();
  for (std::size_t i = 0; i < whole.value.size(); ++i) {
    auto cut = whole;
    cut.value.resize(i);
    EXPECT_FALSE(parse_event(cut.raw())) << i;
    for (const char byte : {'\0', '"', '{', '\xff', '9'}) {
      auto changed = whole;
      changed.value[i] = byte;
      EXPECT_NO_THROW((void)parse_event(changed.raw()));
      EXPECT_NO_THROW((void)sender_of(changed.raw()));
    }
  }
}

}  // namespace
}  // namespace memseal::wire
