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
// ‖ left (16 each)
constexpr std::uint8_t version = 1;
constexpr std::size_t head_bytes = 30, id_bytes = 16;

template <class Number>
void put(Bytes& bytes, Number number) {
  const auto coded = codec::big_endian(number);
  bytes.insert(bytes.end(), coded.begin(), coded.end());
}

Uuid id_at(const Bytes& bytes, std::size_t at) {
  Uuid id;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), id_bytes, id.bytes.begin());
  return id;
}

}  // namespace

std::string make_cursor(const PageMark& mark, std::uint64_t question) {
  Bytes bytes;
  bytes.push_back(version);
  put(bytes, question);
  bytes.push_back(mark.after ? 1 : 0);
  const auto place = mark.after.value_or(PagePlace{});
  put(bytes, std::bit_cast<std::uint32_t>(place.distance));
  bytes.insert(bytes.end(), place.id.bytes.begin(), place.id.bytes.end());
  for (const auto& id : mark.left) bytes.insert(bytes.end(), id.bytes.begin(), id.bytes.end());
  return codec::encode_base64(bytes, codec::Base64::url);
}

Result<PageMark> read_cursor(std::string_view text, std::uint64_t question) {
  const Error malformed{Errc::invalid_field, "is not a cursor of this service", "/cursor"};
  constexpr std::size_t bytes_max = head_bytes + limits::candidates_wall * id_bytes;
  if (text.size() > bytes_max * 4 / 3 + 4) return malformed;
  const auto bytes = codec::decode_base64(text, codec::Base64::url);
  if (!bytes || bytes->size() < head_bytes || bytes->size() > bytes_max ||
      (bytes->size() - head_bytes) % id_bytes != 0 || bytes->front() != version || (*bytes)[9] > 1)
    return malformed;
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
  for (std::size_t at = head_bytes; at < bytes->size(); at += id_bytes)
    mark.left.push_back(id_at(*bytes, at));
  return mark;
}

}  // namespace memseal::wire
