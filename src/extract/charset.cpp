#include "extract/charset.hpp"

#include "extract/blocks.hpp"

#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/utf8.h>

#include <memory>

namespace memseal::extract {

namespace {

constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
struct CloseDetector {
  void operator()(UCharsetDetector* detector) const { ucsdet_close(detector); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

std::string guess(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 65'536;
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, CloseDetector> detector(ucsdet_open(&error));
  if (U_FAILURE(error)) return {};
  ucsdet_setText(detector.get(), bytes.data(),
                 static_cast<std::int32_t>(std::min(bytes.size(), looked_at_max)), &error);
  const auto* match = ucsdet_detect(detector.get(), &error);
  if (match == nullptr || U_FAILURE(error)) return {};
  const char* name = ucsdet_getName(match, &error);
  return U_FAILURE(error) ? std::string() : std::string(name);
}

Converter open(const std::string& name) {
  UErrorCode error = U_ZERO_ERROR;
  Converter converter(ucnv_open(name.empty() ? "windows-1252" : name.c_str(), &error));
  if (U_SUCCESS(error)) return converter;
  error = U_ZERO_ERROR;
  converter.reset(ucnv_open("windows-1252", &error));
  if (U_FAILURE(error)) throw Stop(End::unsupported, "ICU has no converters");
  return converter;
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (std::size_t i = 0; i < bytes.size();) {
    UChar32 code_point = 0;
    U8_NEXT(data, i, bytes.size(), code_point);
    if (code_point < 0) return false;
  }
  return true;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

void append_code_point(std::string& to, std::uint32_t code_point) {
  if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point < 0xe000)) code_point = 0xfffd;
  char bytes[U8_MAX_LENGTH];
  std::size_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, code_point);
  to.append(bytes, size);
}

std::string to_utf8(std::string_view bytes, std::string_view charset) {
  if (bytes.starts_with(utf8_mark)) {
    bytes.remove_prefix(utf8_mark.size());
    charset = is_utf8(bytes) ? "" : "UTF-8";
  } else if (bytes.starts_with("\xff\xfe")) {
    charset = "UTF-16LE";
  } else if (bytes.starts_with("\xfe\xff")) {
    charset = "UTF-16BE";
  }
  if (charset.empty() && is_utf8(bytes)) return std::string(bytes);
  const auto converter = open(charset.empty() ? guess(bytes) : std::string(charset));
  constexpr std::size_t bytes_max = 256u << 20;
  if (bytes.size() > bytes_max) throw Stop(End::too_large, "a text is too long");
  const auto size = static_cast<std::int32_t>(bytes.size());
  UErrorCode error = U_ZERO_ERROR;
  const auto needed =
      ucnv_toAlgorithmic(UCNV_UTF8, converter.get(), nullptr, 0, bytes.data(), size, &error);
  std::string text(static_cast<std::size_t>(needed), '\0');
  error = U_ZERO_ERROR;
  ucnv_toAlgorithmic(UCNV_UTF8, converter.get(), text.data(), needed, bytes.data(), size, &error);
  if (U_FAILURE(error)) throw Stop(End::damaged, "a text cannot be converted");
  if (text.starts_with(utf8_mark)) text.erase(0, utf8_mark.size());
  return text;
}

}  // namespace memseal::extract
