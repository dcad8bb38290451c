#pragma once
// Events as producers publish them: CloudEvents 1.0 over Kafka, binary or structured mode.
#include "base/ids.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace memseal::wire {

/// Most bytes of an `attributes` object as compact JSON.
inline constexpr std::size_t attributes_bytes_max = 16'384;
/// Most bytes of the JSON that is sealed with each chunk, see meta_of().
inline constexpr std::size_t meta_bytes_max = 8'192;

/// What was changed in an event or left out of it, so that the rest can be stored.
struct Adapted {
  std::size_t byte_order_marks = 0;  ///< in front of the JSON or of a text; dropped
  std::size_t zero_bytes = 0;        ///< in a text; dropped
  std::size_t lone_surrogates = 0;   ///< 1 if texts of the event had some; each became U+FFFD
  std::size_t silent_turns = 0;      ///< turns of a chat that have no text; left out
  std::size_t other_parts = 0;       ///< parts of a turn that are no text; left out
};

/// What every event carries besides its data.
struct EventHead {
  std::string id;              ///< CloudEvents `id`, unique per `source`
  std::string source;          ///< CloudEvents `source`, a URI reference
  UserId user;                 ///< CloudEvents `subject`, else the record's key
  std::int64_t time_ms = 0;    ///< CloudEvents `time`, Unix ms; else the record's; else 0
  Adapted adapted = {};
};

/// A document: plain text or Markdown, UTF-8.
struct UploadEvent {
  EventHead head;
  DocId doc_id;                         ///< data.doc_id, else derived from the file name
  std::string name;                     ///< data.file.name; may be empty
  std::string mime_type;                ///< "text/plain" or "text/markdown"
  std::string text;                     ///< as it is stored: decoded from utf8 or base64,
                                        ///< well-formed UTF-8, see storable_text()
  std::optional<std::int64_t> revision = {};  ///< data.revision, never negative. Without it the
                                              ///< order in which events arrive decides.
  std::string content_sha256_hex = {};  ///< data.file.sha256, 64 lower-case hex digits, or empty;
                                        ///< ingest compares it with the SHA-256 of the text
                                        ///< as it was sent
  std::vector<std::string> tags;
  std::string attributes_json;  ///< data.attributes as compact JSON; may be empty
  Origin origin = Origin::upload;  ///< extension `sourcekind`: upload (default) or api
  std::string text_as_sent = {};   ///< where `text` differs from it and a hash is given
  /// data.content.ref: the stored file of this user that holds the text. Then `text` is empty until
  /// with_text() puts it in.
  std::optional<Uuid> file = {};
};

/// The reference to a stored file, as data.content.ref has it: "memseal-file:<id>".
std::string file_reference(const Uuid& file);
/// Error: bad_event, at /data/content/ref. No other scheme is followed, so that an event cannot
/// make the service ask an address.
Result<Uuid> parse_file_reference(std::string_view reference);

/// `event` with the text of its file. REQUIRES: `text` is well-formed UTF-8.
UploadEvent with_text(UploadEvent event, std::string text);

struct ChatMessage {
  std::string role;     ///< "user", "assistant", "system", "developer", "tool" or "function"
  std::string content;  ///< empty for a turn that has no text, e.g. one of tool calls only
  std::int64_t created_at_ms = 0;  ///< 0 when not given
  std::string id = {};             ///< the client's own name of the turn; empty when not given
};

/// One or more turns of a conversation. Each event adds to its conversation.
struct ChatEvent {
  EventHead head;
  DocId conversation_id;
  std::vector<ChatMessage> messages;  ///< 1 to 1,000
  std::vector<std::string> tags;
  std::string attributes_json;
};

/// Deletes a document, or turns of a conversation. Lies on the topic of what it deletes, so that
/// Kafka keeps its order with what is uploaded before and after it.
struct DeleteEvent {
  EventHead head;
  DocId doc_id;                    ///< data.doc_id, or data.conversation_id
  bool is_conversation = false;
  /// Of a conversation, data.before: only turns that were said earlier (Unix ms).
  std::optional<std::int64_t> before_ms = {};
  Origin origin = Origin::upload;  ///< of a document, extension `sourcekind`: upload or api
};

using Event = std::variant<UploadEvent, ChatEvent, DeleteEvent>;

/// Borrowed view of a Kafka record.
struct RawEvent {
  std::string_view topic;
  std::string_view key;
  std::string_view value;
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;  ///< may be null
  std::int64_t timestamp_ms = 0;
};

/// Reads one event. Binary mode: attributes in `ce_*` headers (or `ce-*`, HTTP's prefix), data in
/// the value. Structured mode: content-type application/cloudevents+json, or a bare JSON object
/// with "specversion". Never a batch, because the offset and the dead letter of a record are one
/// event's.
/// The type is any reverse-DNS name that ends in memory.upload.v1, memory.chat.v1 or
/// memory.delete.v1, and fits the topic where that has one of the first two names.
/// The user is named by `subject`, else by the key; where both (and `partitionkey`) are there, they
/// agree.
/// Data is JSON; an upload may also be bare text (text/plain, text/markdown), its document then
/// named by extension `docid`, else `filename`, else the event's id.
/// Errors: bad_event, event_too_large, event_without_user, event_type_unknown; `field` is the JSON
/// pointer in structured form (`/subject`, `/data/file/name`), in either mode, and the message
/// holds no content. Unknown members of `data` are refused. Unknown extension attributes are not,
/// as CloudEvents asks, nor are unknown members of a message, because clients keep messages as
/// their model API has them. Never throws on input.
Result<Event> parse_event(const RawEvent& raw);

/// True for a record without a value and without an attribute, as compaction and connectors write
/// them. Such a record is no event.
bool is_tombstone(const RawEvent& raw) noexcept;

/// False for a turn without text: there is nothing of it to remember.
bool has_text(const ChatMessage& message) noexcept;

/// Headers that a replay adds to a record: where it lay, and when it was new.
inline constexpr std::string_view replay_header_prefix = "memseal-original-";
/// When an event that is replayed was first refused (Unix ms, decimal).
inline constexpr std::string_view refused_at_header = "memseal-original-refused-at";
inline constexpr std::size_t replay_header_bytes_max = 1'024;

/// Headers with a producer's signature, and with the service's of a replay (pure/producers). They
/// are added to a finished event.
inline constexpr std::string_view signature_header = "memseal-signature",
                                  replay_signature_header = "memseal-replay-signature";
inline constexpr std::size_t signature_header_bytes_max = 256;  ///< of a value

/// The bytes of a record as limits::event_bytes_max counts them: key, value, and the names and
/// values of the headers, but for what a replay and signatures add. Whoever accepts an event for
/// publishing counts it so, because ingest does.
std::size_t event_bytes(const RawEvent& raw) noexcept;

/// The JSON that is sealed with each chunk of an event: name, media type and attributes of an
/// upload, roles, time and attributes of a chat. An event whose meta has more than
/// meta_bytes_max bytes is not stored.
std::string meta_of(const UploadEvent& event);
std::string meta_of(const ChatEvent& event);

/// Who sent an event and how its producer names it, as far as that can be read.
struct Sender {
  std::optional<UserId> user = {};  ///< empty if the event names no user or contradicts itself
  std::string id, source;           ///< empty where unreadable
};

/// The sender of an event, even if the rest is malformed, so that its dead letter can be sealed
/// under that user's key and its status event names it. Never throws.
Sender sender_of(const RawEvent& raw);

/// A structured-mode CloudEvent as our CLI and HTTP API publish it: parse_event reads it back as it
/// was. Texts are well-formed UTF-8, attributes_json is empty or a JSON object.
std::string make_upload_event(const UploadEvent& event);
std::string make_chat_event(const ChatEvent& event);
std::string make_delete_event(const DeleteEvent& event);

inline constexpr std::string_view upload_event_type = "dev.memseal.memory.upload.v1";
inline constexpr std::string_view chat_event_type = "dev.memseal.memory.chat.v1";
inline constexpr std::string_view delete_event_type = "dev.memseal.memory.delete.v1";

}  // namespace memseal::wire
