#pragma once
// The page and the heading of each chunk of a document.
#include "base/place.hpp"
#include "pure/text/chunker.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace memseal::text {

/// Bytes of one heading in a place; a longer one is cut.
inline constexpr std::size_t place_heading_bytes_max = 120;

/// The place of each chunk; no places at all where the document has neither pages nor headings.
/// A heading is an ATX heading of CommonMark 0.31 outside of fenced code. One page without a label
/// says nothing, and is left out: documents without pages have it.
/// REQUIRES: `chunks` are those of `document`, in their order.
/// Time: linear in the document, its pages and chunks. Thread: any.
std::vector<Place> places_of(std::string_view document, const Outline& outline,
                             std::span<const Chunk> chunks);

}  // namespace memseal::text
