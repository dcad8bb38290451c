#pragma once
// Bodies of HTTP requests: JSON in, checked values out.
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// Most ids in `doc_ids`.
inline constexpr std::size_t doc_ids_max = 64;

/// POST /api/v1/memory/query
struct QueryRequest {
  std::string query;                        ///< 1 to limits::query_bytes_max bytes, not blank
  std::size_t top_k = limits::answers_max;  ///< 1 … answers_max
  std::size_t candidates = limits::candidates_max;  ///< top_k … candidates_max
  bool rerank = true;
  std::optional<Origin> origin;        ///< filter, member `source`; empty: any
  std::vector<std::string> tags;       ///< filter: all must be present
  std::vector<std::string> doc_ids;    ///< filter: one of them
  std::optional<std::string> user_id;  ///< must equal the token's subject
  bool include_trace = false;          ///< send query.stage events
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
