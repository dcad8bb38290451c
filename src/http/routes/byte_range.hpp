#pragma once
// Which part of a content a client asks for (RFC 9110 §14). Pure.
#include <cstdint>
#include <optional>
#include <string_view>

namespace memseal::http {

struct ByteRange {
  std::uint64_t first = 0, end = 0;  ///< end: behind the last byte
};

enum class RangeAnswer {
  whole,          ///< no range, or one that may be ignored: another unit, several, malformed
  part,           ///< send `range` with 206
  unsatisfiable,  ///< 416
};

struct AskedRange {
  RangeAnswer answer = RangeAnswer::whole;
  ByteRange range = {};
};

/// `field`: the Range field; `length`: of the whole content.
AskedRange asked_range(std::optional<std::string_view> field, std::uint64_t length) noexcept;

}  // namespace memseal::http
