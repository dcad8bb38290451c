#include "pure/wire/page.hpp"

#include "base/query_limits.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/big_endian.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace memseal::wire {

namespace {

// Big-endian: version (1) ‖ question (8) ‖ has a place (1) ‖ distance (4) ‖ id (16)
// ‖ left (16 each); in version 2 the number of `ahead` (1) and those (16 each) come before `left`.
// A cursor without them stays one of version 1, which an older release reads too.
constexpr std::uint8_t version_plain = 1, version_ahead = 2;
static_assert(limits::ahead_max <= 0xff);
constexpr std::size_t head_bytes = 30, id_bytes = 16;

template <class Number>
void put(Bytes& bytes, Number number) {
  const auto coded = codec::big_endian(number);
  bytes.insert(bytes.end(), coded.begin(), coded.end());
}

void put_ids(Bytes& bytes, const std::vector<Uuid>& ids) {
  for (const auto& id : ids) bytes.insert(bytes.end(), id.bytes.begin(), id.bytes.end());
}

Uuid id_at(const Bytes& bytes, std::size_t at) {
  Uuid id;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), id_bytes, id.bytes.begin());
  return id;
}

}  // namespace

std::string make_cursor(const PageMark& mark, std::uint64_t question) {
  Bytes bytes;
  bytes.push_back(mark.ahead.empty() ? version_plain : version_ahead);
  put(bytes, question);
  bytes.push_back(mark.after ? 1 : 0);
  const auto place = mark.after.value_or(PagePlace{});
  put(bytes, std::bit_cast<std::uint32_t>(place.distance));
  bytes.insert(bytes.end(), place.id.bytes.begin(), place.id.bytes.end());
  if (!mark.ahead.empty()) bytes.push_back(static_cast<std::uint8_t>(mark.ahead.size()));
  put_ids(bytes, mark.ahead);
  put_ids(bytes, mark.left);
  return codec::encode_base64(bytes, codec::Base64::url);
}

Result<PageMark> read_cursor(std::string_view text, std::uint64_t question) {
  const Error malformed{Errc::invalid_field, "is not a cursor of this service", "/cursor"};
  constexpr std::size_t ids_max = limits::candidates_wall + limits::ahead_max;
  constexpr std::size_t bytes_max = head_bytes + 1 + ids_max * id_bytes;
  if (text.size() > bytes_max * 4 / 3 + 4) return malformed;
  const auto bytes = codec::decode_base64(text, codec::Base64::url);
  if (!bytes || bytes->size() < head_bytes || (*bytes)[9] > 1) return malformed;
  const bool has_ahead = bytes->front() == version_ahead;
  if (!has_ahead && bytes->front() != version_plain) return malformed;
  const std::size_t ids_begin = head_bytes + (has_ahead ? 1 : 0);
  if (bytes->size() < ids_begin || (bytes->size() - ids_begin) % id_bytes != 0) return malformed;
  const std::size_t ids = (bytes->size() - ids_begin) / id_bytes;
  const std::size_t ahead = has_ahead ? (*bytes)[head_bytes] : 0;
  if (has_ahead && (ahead == 0 || ahead > limits::ahead_max || ahead > ids)) return malformed;
  if (ids - ahead > limits::candidates_wall) return malformed;
  if (codec::read_big_endian<std::uint64_t>(bytes->data() + 1) != question)
    return Error{Errc::invalid_field,
                 "belongs to another question: send it with the same query and filters", "/cursor"};
  PageMark mark;
  if ((*bytes)[9] == 1) {
    const auto distance = codec::read_big_endian<std::uint32_t>(bytes->data() + 10);
    const PagePlace place{std::bit_cast<float>(distance), id_at(*bytes, 14)};
    if (!std::isfinite(place.distance)) return malformed;
    mark.after = place;
  }
  for (std::size_t i = 0; i < ids; ++i)
    (i < ahead ? mark.ahead : mark.left).push_back(id_at(*bytes, ids_begin + i * id_bytes));
  return mark;
}

}  // namespace memseal::wire
