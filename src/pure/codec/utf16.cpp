#include "pure/codec/utf16.hpp"

#include "pure/codec/utf8.hpp"

#include <cstddef>
#include <utility>

namespace memseal::codec {
namespace {

char32_t unit_at(std::string_view bytes, std::size_t at, ByteOrder order) {
  const auto first = static_cast<unsigned char>(bytes[at]);
  const auto second = static_cast<unsigned char>(bytes[at + 1]);
  return order == ByteOrder::big ? char32_t{first} << 8 | second : char32_t{second} << 8 | first;
}

bool is_lead(char32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_trail(char32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void append_utf8(std::string& text, char32_t point) {
  const auto tail = [&](int shift) {
    text.push_back(static_cast<char>(0x80 | (point >> shift & 0x3F)));
  };
  if (point < 0x80) {
    text.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | point >> 12));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

std::optional<std::string> utf8_of_utf16(std::string_view bytes, ByteOrder order) {
  if (bytes.size() % 2 != 0) return std::nullopt;
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    auto point = unit_at(bytes, at, order);
    if (is_trail(point)) return std::nullopt;
    if (is_lead(point)) {
      at += 2;
      const auto trail = at < bytes.size() ? unit_at(bytes, at, order) : 0;
      if (!is_trail(trail)) return std::nullopt;
      point = 0x10000 + ((point - 0xD800) << 10) + (trail - 0xDC00);
    }
    append_utf8(text, point);
  }
  return text;
}

std::optional<std::string> utf8_of_file(std::string bytes) {
  using namespace std::string_view_literals;
  constexpr auto utf8_mark = "\xEF\xBB\xBF"sv;
  for (const auto& [mark, order] : {std::pair{"\xFF\xFE"sv, ByteOrder::little},
                                    std::pair{"\xFE\xFF"sv, ByteOrder::big}})
    if (bytes.starts_with(mark))
      return utf8_of_utf16(std::string_view(bytes).substr(mark.size()), order);
  if (bytes.starts_with(utf8_mark)) bytes.erase(0, utf8_mark.size());
  if (!is_utf8(bytes)) return std::nullopt;
  return bytes;
}

}  // namespace memseal::codec
