#include "pure/wire/internal/event_head.hpp"

#include "base/limits.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/event_names.hpp"

#include <algorithm>

namespace memseal::wire {

namespace {

constexpr std::size_t attribute_bytes_max = 1'024;  // of id and source

/// `memory.upload.v1` of any reverse-DNS prefix.
bool ends_in(std::string_view type, std::string_view name) {
  if (!type.ends_with(name)) return false;
  const auto prefix = type.substr(0, type.size() - name.size());
  if (prefix.empty()) return true;
  return prefix.back() == '.' && prefix.size() > 1 &&
         std::all_of(prefix.begin(), prefix.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.';
         });
}

/// The one user that subject, key and partition key name.
Result<UserId> user_in(const RawEvent& raw, const Attributes& attributes) {
  std::optional<std::string_view> user;
  if (attributes.subject) {
    if (attributes.subject->empty()) return bad_event("/subject", "must not be empty");
    user = *attributes.subject;
  }
  if (!raw.key.empty()) {
    if (user && *user != raw.key) return bad_event("/subject", "must equal the record's key");
    user = raw.key;
  }
  if (attributes.partitionkey && !attributes.partitionkey->empty()) {
    if (user && *user != *attributes.partitionkey)
      return bad_event("/partitionkey", "must equal the subject and the record's key");
    user = *attributes.partitionkey;
  }
  if (!user)
    return Error{Errc::event_without_user, "must name the user, here or as the record's key",
                 "/subject"};
  if (!codec::is_utf8(*user)) return bad_event("/subject", "is not well-formed UTF-8");
  auto id = UserId::parse(*user);
  if (!id) return bad_event("/subject", "must have 1 to 256 bytes");
  return id;
}

std::optional<Error> check_name(const std::optional<std::string>& value, std::string_view pointer) {
  if (!value) return bad_event(pointer, "is missing");
  if (value->empty() || value->size() > attribute_bytes_max)
    return bad_event(pointer, "must have 1 to 1024 bytes");
  if (codec::has_control(*value)) return bad_event(pointer, "must hold no control characters");
  return std::nullopt;
}

}  // namespace

Error bad_event(std::string_view pointer, std::string_view message) {
  return Error{Errc::bad_event, std::string(message), std::string(pointer)};
}

Result<EventKind> kind_of_type(const Attributes& attributes, std::string_view topic) {
  if (!attributes.type) return bad_event("/type", "is missing");
  const bool upload = ends_in(*attributes.type, upload_event_name);
  const bool chat = ends_in(*attributes.type, chat_event_name);
  if (ends_in(*attributes.type, delete_event_name)) return EventKind::deletion;
  if (!upload && !chat)
    return Error{Errc::event_type_unknown,
                 "must end in " + std::string(upload_event_name) + ", " +
                     std::string(chat_event_name) + " or " + std::string(delete_event_name),
                 "/type"};
  if ((topic == upload_event_name && !upload) || (topic == chat_event_name && !chat))
    return bad_event("/type", "does not fit the topic");
  return upload ? EventKind::upload : EventKind::chat;
}

Result<EventHead> head_of(const RawEvent& raw, const Attributes& attributes) {
  if (!attributes.specversion) return bad_event("/specversion", "is missing");
  if (*attributes.specversion != "1.0") return bad_event("/specversion", "must be \"1.0\"");
  if (auto wrong = check_name(attributes.id, "/id")) return *wrong;
  if (auto wrong = check_name(attributes.source, "/source")) return *wrong;
  auto user = user_in(raw, attributes);
  if (!user) return user.error();
  // A record's own time is whatever its producer's clock said.
  const bool credible = raw.timestamp_ms > 0 && raw.timestamp_ms <= codec::rfc3339_ms_max;
  std::int64_t time_ms = credible ? raw.timestamp_ms : 0;
  if (attributes.time) {
    const auto time = codec::parse_rfc3339(*attributes.time);
    if (!time) return bad_event("/time", "is not an RFC 3339 time");
    time_ms = *time;
  }
  return EventHead{*attributes.id, *attributes.source, std::move(*user), time_ms};
}

Sender sender_of(const RawEvent& raw) {
  Attributes attributes;
  if (auto envelope = open_envelope(raw)) {
    attributes = std::move(envelope->attributes);
  } else {
    for (const auto* name : {"ce_subject", "ce-subject"}) {
      const auto subject = header_of(raw, name);
      if (!subject || (*subject && attributes.subject && *attributes.subject != **subject))
        return {};
      if (*subject) attributes.subject = std::string(**subject);
    }
  }
  Sender sender;
  if (auto user = user_in(raw, attributes)) sender.user = std::move(*user);
  if (!check_name(attributes.id, "/id")) sender.id = std::move(*attributes.id);
  if (!check_name(attributes.source, "/source")) sender.source = std::move(*attributes.source);
  return sender;
}

}  // namespace memseal::wire
