#include "pure/wire/file_request.hpp"

#include "base/limits.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/url.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/body.hpp"
#include "pure/wire/internal/field_value.hpp"
#include "pure/wire/internal/fields.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::wire {

namespace {

constexpr std::size_t file_name_bytes_max = 255, media_type_bytes_max = 127;

Error bad_tags() {
  return {Errc::invalid_field,
          "a file has at most 16 tags of 1 to 64 bytes of UTF-8 without control characters",
          "tags"};
}

Error bad_file_name() {
  return {Errc::invalid_field,
          "a file has a name of 1 to 255 bytes of UTF-8 without control characters", "name"};
}

Result<void> add_file_tag(std::string tag, std::vector<std::string>& tags) {
  if (tag.empty() || tag.size() > limits::tag_bytes_max || !codec::is_utf8(tag) ||
      codec::has_control(tag))
    return bad_tags();
  // A tag twice is one tag, and is no reason to refuse a file that has arrived.
  if (std::ranges::find(tags, tag) != tags.end()) return {};
  if (tags.size() == limits::tags_max) return bad_tags();
  tags.push_back(std::move(tag));
  return {};
}

/// Calls `take` with each part of a list.
template <class Take>
Result<void> for_each_tag(std::string_view text, const Take& take) {
  if (codec::trimmed(text).empty()) return {};
  for (;;) {
    const auto end = std::min(text.find(','), text.size());
    if (auto taken = take(codec::trimmed(text.substr(0, end))); !taken) return taken;
    if (end == text.size()) return {};
    text.remove_prefix(end + 1);
  }
}

Result<std::optional<std::int64_t>> file_time_of(const Parameters& parameters,
                                                 std::string_view name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::optional<std::int64_t>();
  const auto time = codec::parse_rfc3339(found->second);
  if (!time)
    return Error{Errc::invalid_field, "is not an RFC 3339 time, such as 2026-01-01T00:00:00Z",
                 std::string(name)};
  return time;
}

}  // namespace

Result<std::string> checked_file_name(std::string name) {
  if (name.empty() || name.size() > file_name_bytes_max || !codec::is_utf8(name) ||
      codec::has_control(name))
    return bad_file_name();
  return name;
}

Result<std::string> parse_file_name_field(std::string_view field) {
  auto name = codec::percent_decode(field);
  if (!name) return bad_file_name();
  return checked_file_name(std::move(*name));
}

std::string_view last_of_path(std::string_view path) noexcept {
  // Browsers of Windows once sent whole paths, and a path must not reach a disk here.
  const auto slash = path.find_last_of("/\\");
  return slash == path.npos ? path : path.substr(slash + 1);
}

Result<void> add_file_tags(std::string_view text, std::vector<std::string>& tags) {
  return for_each_tag(text, [&tags](std::string_view tag) {
    return add_file_tag(std::string(tag), tags);
  });
}

Result<std::vector<std::string>> parse_file_tags_field(std::string_view field) {
  std::vector<std::string> tags;
  const auto added = for_each_tag(field, [&tags](std::string_view encoded) -> Result<void> {
    auto tag = codec::percent_decode(encoded);
    if (!tag) return bad_tags();
    return add_file_tag(std::move(*tag), tags);
  });
  if (!added) return added.error();
  return tags;
}

Result<std::string> sha256_of_digest(std::string_view field) {
  constexpr std::string_view kind = "sha-256";
  std::string found;
  while (!field.empty()) {
    const auto end = std::min(field.find(','), field.size());
    const auto part = codec::trimmed(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    const auto equals = std::min(part.find('='), part.size());
    // RFC 9530 lets a sender give digests of several kinds; a reader checks those that it knows.
    if (codec::ascii_lower(codec::trimmed(part.substr(0, equals))) != kind) continue;
    auto text = part.substr(std::min(equals + 1, part.size()));
    const bool is_bytes = text.size() > 2 && text.front() == ':' && text.back() == ':';
    const auto digest = is_bytes ? codec::decode_base64(text.substr(1, text.size() - 2),
                                                        codec::Base64::standard)
                                 : std::nullopt;
    if (!digest || digest->size() != 32 || !found.empty())
      return Error{Errc::bad_request, "is not one SHA-256, as in sha-256=:…base64…:",
                   "Content-Digest"};
    found = to_hex(digest->data(), digest->size());
  }
  return found;
}

// A name in the target would be in the log of every proxy.
Result<bool> parse_file_upload_request(std::string_view query) {
  static constexpr std::array<std::string_view, 2> names{"index", "wait"};
  const auto parameters = parse_parameters(query, names);
  if (!parameters)
    return Error{parameters.error().code,
                 "this route has the parameters index and wait: X-Memseal-Name and X-Memseal-Tags, "
                 "or fields of a form, say what the file is",
                 parameters.error().field};
  const auto index = parameters->find("index");
  const auto value = index == parameters->end() ? std::string("false") : index->second;
  if (value != "true" && value != "false")
    return Error{Errc::bad_request, "is true or false", "index"};
  return value == "true";
}

Result<FileListRequest> parse_file_list_request(std::string_view query) {
  static constexpr std::array<std::string_view, 4> names{"limit", "cursor", "created_after",
                                                         "created_before"};
  const auto parameters = parse_parameters(query, names);
  if (!parameters) return parameters.error();
  const auto list = list_request_of(*parameters);
  if (!list) return list.error();
  FileListRequest request{.limit = list->limit};
  if (!list->cursor.empty()) {
    const auto place = place_of_cursor(list->cursor);
    if (!place) return place.error();
    request.after = *place;
  }
  const auto after = file_time_of(*parameters, "created_after");
  if (!after) return after.error();
  const auto before = file_time_of(*parameters, "created_before");
  if (!before) return before.error();
  request.created_after_ms = *after;
  request.created_before_ms = *before;
  return request;
}

Result<Uuid> parse_file_index_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  std::string id;
  fields.text("file_id", id, {1, 64}, Presence::required);
  const auto file = Uuid::parse(id);
  if (!id.empty() && !file) fields.fail("file_id", "must be the id of a file");
  fields.close();
  if (fault.first) return *fault.first;
  return *file;
}

std::string plain_media_type(std::string_view content_type) {
  auto parsed = parse_field_value(content_type);
  if (!parsed) return {};
  auto type = std::move(parsed->value);
  const auto slash = type.find('/');
  if (slash == type.npos || slash == 0 || slash + 1 == type.size() ||
      type.size() > media_type_bytes_max)
    return {};
  const std::string_view kind(type.data(), slash), sub(type.data() + slash + 1);
  if (!std::ranges::all_of(kind, is_token_char) || !std::ranges::all_of(sub, is_token_char))
    return {};
  return type;
}

// Two forms of one name: old clients read the plain one, in which every byte beyond ASCII and every
// one that could end the quoted string is replaced.
std::string attachment(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == ' ';
    plain += word ? c : '_';
  }
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + codec::percent_encode(name);
}

}  // namespace memseal::wire
