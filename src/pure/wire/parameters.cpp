#include "pure/wire/parameters.hpp"

#include "base/secret.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/big_endian.hpp"
#include "pure/codec/did_you_mean.hpp"
#include "pure/codec/url.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace memseal::wire {

namespace {

// The first byte of a cursor says what follows: an id; or time (8) ‖ index (4) ‖ id (16),
// big-endian.
constexpr std::uint8_t behind_id = 0x21, behind_place = 0x22;
constexpr std::size_t place_bytes = 29, doc_id_bytes_max = 255;

Error bad_parameter(std::string_view name, std::string_view message) {
  return Error{Errc::bad_request, std::string(message), std::string(name)};
}

Error unknown_parameter(std::string_view name, std::span<const std::string_view> known) {
  std::string message = "there is no such parameter";
  if (const auto meant = codec::did_you_mean(name, known))
    message += "; did you mean \"" + std::string(*meant) + "\"?";
  return bad_parameter(printable_name(name).value_or(""), message);
}

Result<std::size_t> limit_of(std::string_view text) {
  std::size_t limit = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (failure != std::errc() || end != text.data() + text.size() || limit < 1 ||
      limit > list_limit_max)
    return bad_parameter("limit", "must be a whole number from 1 to " +
                                      std::to_string(list_limit_max));
  return limit;
}

Error foreign_cursor() {
  return Error{Errc::invalid_field, "is not a cursor of this list: send next_cursor as it came",
               "cursor"};
}

/// The bytes of a cursor that begins with `kind`; empty for any other text.
Bytes bytes_of_cursor(std::string_view cursor, std::uint8_t kind) {
  if (cursor.size() > 2 * doc_id_bytes_max) return {};
  const auto bytes = codec::decode_base64(cursor, codec::Base64::url);
  if (!bytes || bytes->empty() || bytes->front() != kind) return {};
  return *bytes;
}

}  // namespace

Result<Parameters> parse_parameters(std::string_view query,
                                    std::span<const std::string_view> known) {
  Parameters parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    const auto name = codec::percent_decode(part.substr(0, equals));
    const auto value =
        codec::percent_decode(part.substr(std::min(equals + 1, part.size())));
    if (!name || !value)
      return bad_parameter("", "the query has a malformed percent-encoding");
    if (std::find(known.begin(), known.end(), *name) == known.end())
      return unknown_parameter(*name, known);
    if (!parameters.emplace(*name, *value).second)
      return bad_parameter(*name, "is there twice");
  }
  return parameters;
}

std::string make_list_cursor(std::string_view after) {
  Bytes bytes{behind_id};
  bytes.insert(bytes.end(), after.begin(), after.end());
  return codec::encode_base64(bytes, codec::Base64::url);
}

std::string make_list_cursor(const ListPlace& after) {
  Bytes bytes{behind_place};
  const auto at = codec::big_endian(static_cast<std::uint64_t>(after.at_us));
  const auto index = codec::big_endian(static_cast<std::uint32_t>(after.index));
  bytes.insert(bytes.end(), at.begin(), at.end());
  bytes.insert(bytes.end(), index.begin(), index.end());
  bytes.insert(bytes.end(), after.id.bytes.begin(), after.id.bytes.end());
  return codec::encode_base64(bytes, codec::Base64::url);
}

Result<ListRequest> parse_list_request(std::string_view query, bool ordered) {
  static constexpr std::array<std::string_view, 3> names{"limit", "cursor", "order"};
  auto parameters = parse_parameters(query, std::span(names).first(ordered ? 3 : 2));
  if (!parameters) return parameters.error();
  return list_request_of(*parameters);
}

Result<ListRequest> list_request_of(const Parameters& parameters) {
  ListRequest request;
  if (const auto found = parameters.find("limit"); found != parameters.end()) {
    const auto limit = limit_of(found->second);
    if (!limit) return limit.error();
    request.limit = *limit;
  }
  if (const auto found = parameters.find("cursor"); found != parameters.end()) {
    if (found->second.empty()) return foreign_cursor();
    request.cursor = found->second;
  }
  if (const auto found = parameters.find("order"); found != parameters.end()) {
    if (found->second != "asc" && found->second != "desc")
      return bad_parameter("order", "must be asc or desc");
    request.newest_first = found->second == "desc";
  }
  return request;
}

Result<std::string> id_of_cursor(std::string_view cursor) {
  const auto bytes = bytes_of_cursor(cursor, behind_id);
  if (bytes.empty() || bytes.size() > 1 + doc_id_bytes_max) return foreign_cursor();
  std::string id(bytes.begin() + 1, bytes.end());
  // The database takes only such texts.
  if (!codec::is_utf8(id) || codec::has_control(id)) return foreign_cursor();
  return id;
}

Result<ListPlace> place_of_cursor(std::string_view cursor) {
  const auto bytes = bytes_of_cursor(cursor, behind_place);
  if (bytes.size() != place_bytes) return foreign_cursor();
  ListPlace place;
  place.at_us = static_cast<std::int64_t>(codec::read_big_endian<std::uint64_t>(bytes.data() + 1));
  place.index = static_cast<std::int32_t>(codec::read_big_endian<std::uint32_t>(bytes.data() + 9));
  std::copy_n(bytes.begin() + 13, place.id.bytes.size(), place.id.bytes.begin());
  // Years 0 to 9999: beyond them lies no chunk, and PostgreSQL refuses some such times.
  constexpr std::int64_t least_us = -62'167'219'200'000'000, most_us = 253'402'300'799'999'999;
  if (place.at_us < least_us || place.at_us > most_us) return foreign_cursor();
  return place;
}

}  // namespace memseal::wire
