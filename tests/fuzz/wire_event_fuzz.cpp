// Any record: what is accepted names its user, keeps its limits, and is read back from our own
// writing as it was.
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "pure/wire/event.hpp"

#include <cstdint>

using namespace memseal;
using namespace memseal::wire;

namespace {

/// Lines `name=value` up to an empty line (`topic`, `key`, else a header), then the value.
struct Input {
  std::string topic, key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view value;

  explicit Input(std::string_view bytes) {
    for (;;) {
      const auto end = bytes.find('\n');
      const auto line = bytes.substr(0, end);
      bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
      if (line.empty()) break;
      const auto equals = line.find('=');
      const std::string name(line.substr(0, equals));
      const std::string text(equals == std::string_view::npos ? "" : line.substr(equals + 1));
      if (name == "topic")
        topic = text;
      else if (name == "key")
        key = text;
      else
        headers.emplace_back(name, text);
    }
    value = bytes;
  }
};

void check(const UploadEvent& event) {
  MEMSEAL_ASSERT(event.mime_type == "text/plain" || event.mime_type == "text/markdown");
  MEMSEAL_ASSERT(event.revision.value_or(0) >= 0);
  MEMSEAL_ASSERT(event.tags.size() <= limits::tags_max);
  const auto written = make_upload_event(event);
  if (event.head.time_ms == 0) return;
  const RawEvent raw{"memory.upload.v1", event.head.user.value(), written, nullptr, 0};
  if (written.size() + raw.key.size() > limits::event_bytes_max) return;
  auto again = parse_event(raw);
  MEMSEAL_ASSERT(again);
  const auto& read = std::get<UploadEvent>(*again);
  MEMSEAL_ASSERT(read.text == event.text && read.doc_id == event.doc_id);
  MEMSEAL_ASSERT(read.revision == event.revision && read.head.user == event.head.user);
  MEMSEAL_ASSERT(read.tags == event.tags && read.attributes_json == event.attributes_json);
  MEMSEAL_ASSERT(make_upload_event(read) == written);
}

void check(const ChatEvent& event) {
  MEMSEAL_ASSERT(!event.messages.empty() && event.messages.size() <= 1'000);
  const auto written = make_chat_event(event);
  const RawEvent raw{"memory.chat.v1", event.head.user.value(), written, nullptr, 0};
  if (written.size() + raw.key.size() > limits::event_bytes_max || event.head.time_ms == 0) return;
  auto again = parse_event(raw);
  MEMSEAL_ASSERT(again);
  MEMSEAL_ASSERT(make_chat_event(std::get<ChatEvent>(*again)) == written);
}

void check(const DeleteEvent& event) {
  MEMSEAL_ASSERT((event.origin == Origin::chat) == event.is_conversation);
  MEMSEAL_ASSERT(!event.before_ms || event.is_conversation);
  const auto written = make_delete_event(event);
  const RawEvent raw{"topic", event.head.user.value(), written, nullptr, 0};
  if (event.head.time_ms == 0) return;
  auto again = parse_event(raw);
  MEMSEAL_ASSERT(again);
  MEMSEAL_ASSERT(make_delete_event(std::get<DeleteEvent>(*again)) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input({reinterpret_cast<const char*>(data), size});
  const RawEvent raw{input.topic, input.key, input.value, &input.headers, 1'700'000'000'000};
  const auto user = sender_of(raw).user;
  const auto event = parse_event(raw);
  if (!event) {
    MEMSEAL_ASSERT(!event.error().message.empty());
    return 0;
  }
  std::visit([&](const auto& read) { MEMSEAL_ASSERT(user && *user == read.head.user); }, *event);
  std::visit([](const auto& read) { check(read); }, *event);
  return 0;
}
