#pragma once
// What clients say of files. Names and tags never stand in the target of a request, because proxies
// log targets.
#include "base/result.hpp"
#include "pure/wire/parameters.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// 1 to 255 bytes of UTF-8 without control characters. Errors: invalid_field (`name`).
Result<std::string> checked_file_name(std::string name);
/// The same of a field that is percent-encoded.
Result<std::string> parse_file_name_field(std::string_view field);
/// The name without the folders in front of it, which some clients send. May be empty.
std::string_view last_of_path(std::string_view path) noexcept;

/// Adds the tags of a text, separated by commas, with blanks around them dropped. Up to
/// limits::tags_max tags of 1 to limits::tag_bytes_max bytes. Error: invalid_field (`tags`).
Result<void> add_file_tags(std::string_view text, std::vector<std::string>& tags);
/// The same of a field in which each tag is percent-encoded, so that it may hold a comma.
Result<std::vector<std::string>> parse_file_tags_field(std::string_view field);

/// The SHA-256 that a Content-Digest names (RFC 9530), 64 hex digits in lower case; empty where the
/// field is empty or names digests of other kinds alone. Error: bad_request (`Content-Digest`).
Result<std::string> sha256_of_digest(std::string_view field);

/// POST /api/v1/knowledge/files?index=true&wait=…: whether to index the file. No other parameter
/// may stand there. Errors: bad_request, `field` names the parameter.
Result<bool> parse_file_upload_request(std::string_view query);

/// GET /api/v1/knowledge/files?limit=…&cursor=…&created_after=…&created_before=…
struct FileListRequest {
  std::size_t limit = list_limit_default;
  std::optional<ListPlace> after;
  std::optional<std::int64_t> created_after_ms, created_before_ms;  ///< Unix milliseconds
};

/// Errors: bad_request and invalid_field, `field` names the parameter.
Result<FileListRequest> parse_file_list_request(std::string_view query);

/// POST /api/v1/knowledge/index: which file. Errors: bad_json, invalid_field.
Result<Uuid> parse_file_index_request(std::string_view body);

/// Type and subtype in lower case, without parameters; empty for what is no media type.
std::string plain_media_type(std::string_view content_type);

/// Value of the Content-Disposition field that makes a browser save and not show (RFC 6266).
std::string attachment(std::string_view name);

}  // namespace memseal::wire
