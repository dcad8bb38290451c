#pragma once
// Cursors: where the next page of an answer begins.
#include "base/ids.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// A place in the search order: by distance, and by id among equal distances.
struct PagePlace {
  float distance = 0;
  Uuid id;
};

/// What the pages so far leave to the next ones.
struct PageMark {
  std::optional<PagePlace> after;  ///< the last passage that was a candidate
  std::vector<Uuid> left;            ///< candidates that were not shown yet
  std::vector<Uuid> ahead = {};      ///< candidates behind `after`, limits::ahead_max at most
};

/// The text of a cursor, URL-safe. `question`: a checksum of what was asked, see
/// QueryRequest::checksum. NOTE: a client can make up a cursor; all that a made-up one changes is
/// which of its own passages it sees.
std::string make_cursor(const PageMark& mark, std::uint64_t question);

/// Error: invalid_field (`/cursor`) for a text that make_cursor() did not give, or not for this
/// question.
Result<PageMark> read_cursor(std::string_view text, std::uint64_t question);

}  // namespace memseal::wire
