#pragma once
// Query strings of the routes that list: parameters in, checked values out; cursors in and out.
#include "base/ids.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace memseal::wire {

/// Most items of one page of a list, and how many it has where nothing else is asked.
inline constexpr std::size_t list_limit_max = 100, list_limit_default = 50;

using Parameters = std::map<std::string, std::string, std::less<>>;

/// The parameters of `query`, the part of a target behind '?'. Names and values are
/// percent-decoded; a '+' stands for itself, because times have one in front of their offset.
/// Errors: bad_request for an unknown name, with the known one that was probably meant, for one
/// that is there twice, and for a malformed percent-encoding.
Result<Parameters> parse_parameters(std::string_view query,
                                    std::span<const std::string_view> known);

/// A place in the order of the chunks of a document or conversation.
struct ListPlace {
  std::int64_t at_us = 0;
  std::int32_t index = 0;
  Uuid id = {};
};

/// The texts of cursors, URL-safe: behind which id, or behind which place, a page begins.
/// NOTE: a client can make up a cursor; all that a made-up one changes is where a list of its own
/// things begins.
std::string make_list_cursor(std::string_view after);
std::string make_list_cursor(const ListPlace& after);

/// What a client asks of a list.
struct ListRequest {
  std::size_t limit = list_limit_default;
  std::string cursor;         ///< empty: the first page
  bool newest_first = false;  ///< `order=desc`
};

/// Reads `limit`, `cursor` and, where `ordered`, `order`. Errors: bad_request and invalid_field,
/// `field` names the parameter.
Result<ListRequest> parse_list_request(std::string_view query, bool ordered);
/// The same of parameters among which there may be others.
Result<ListRequest> list_request_of(const Parameters& parameters);

/// Error: invalid_field (`cursor`) for a text that make_list_cursor() did not give.
Result<std::string> id_of_cursor(std::string_view cursor);
Result<ListPlace> place_of_cursor(std::string_view cursor);

}  // namespace memseal::wire
