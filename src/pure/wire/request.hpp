#pragma once
// Bodies of HTTP requests: JSON in, checked values out.
#include "base/ids.hpp"
#include "base/query_limits.hpp"
#include "base/result.hpp"
#include "pure/wire/attribute_filter.hpp"
#include "pure/wire/page.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// Most ids in `doc_ids`, `documents` and `exclude`.
inline constexpr std::size_t doc_ids_max = 64;

/// POST /api/v1/memory/query
struct QueryRequest {
  /// Members `query` and `queries`: 1 to limits::questions_max texts of 1 to
  /// limits::query_bytes_max bytes, not blank. `query` is the first.
  std::string query;
  std::vector<std::string> further = {};
  std::size_t top_k = limits::answers_max;            ///< 1 … answers_wall
  std::size_t candidates = limits::candidates_max;    ///< top_k … candidates_wall
  bool rerank = true;
  bool hybrid = true;                  ///< false: vectors alone are compared
  std::optional<float> min_score;      ///< results of less are left out
  std::size_t expand = 0;              ///< neighbours on each side of a result, to expand_max
  /// Filter: one of them; empty: any. Member `source`; `documents` has none of chats, and
  /// `conversation` chats alone, because a document and a conversation may have one id.
  std::vector<Origin> origins;
  std::vector<std::string> tags;       ///< filter: all must be present
  std::vector<std::string> tags_any = {};   ///< filter: one of them must be present
  std::vector<std::string> tags_none = {};  ///< filter: none of them may be present
  std::vector<std::string> doc_ids;    ///< filter: one of them; also members `documents` and
                                       ///< `conversation`
  std::vector<std::string> exclude = {};     ///< filter: none of these documents
  std::optional<std::int64_t> after_ms = {};   ///< filter: created later, Unix ms
  std::optional<std::int64_t> before_ms = {};  ///< filter: created earlier, Unix ms
  AttributeFilter attributes = {};           ///< filter
  std::optional<PageMark> page = {};         ///< member `cursor`; empty: the first page
  std::optional<std::string> user_id;  ///< must equal the token's subject
  bool include_trace = false;          ///< send query.stage events
  /// Of the questions and the filters: cursors of one question fit no other.
  std::uint64_t checksum = 0;
};

/// POST /api/v1/memory/index
struct IndexRequest {
  std::string doc_id;  ///< empty: derived from the content by the caller
  std::string name;
  std::string mime_type = "text/plain";  ///< or "text/markdown"
  std::string text;                      ///< not blank
  std::vector<std::string> tags;
  std::string attributes_json;
  std::optional<std::string> user_id;
};

/// Errors: bad_json (no JSON object, too deep, duplicate keys), invalid_field (with a JSON pointer
/// in `field`), payload_too_large. Unknown keys are refused by name, with the known one that was
/// probably meant. Member names are those of the structs; `attributes` is an object. Never throws
/// on input.
Result<QueryRequest> parse_query_request(std::string_view body);
Result<IndexRequest> parse_index_request(std::string_view body);

}  // namespace memseal::wire
