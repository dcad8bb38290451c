// Any format code and any number: the number as it is, or a short text of digits and marks.
#include "extract/number_format.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace memseal::extract;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto line = bytes.substr(0, bytes.find('\n'));
  const auto value = bytes.substr(std::min(bytes.size(), line.size() + 1));
  const auto format = format_of_code(line);
  for (const bool since_1904 : {false, true}) {
    const auto shown = shown_number(value, format, since_1904);
    const bool is_marked =
        shown.size() <= 40 && shown.find_first_not_of("0123456789.:-+%e ") == shown.npos;
    if (shown != value && !is_marked) std::abort();
  }
  return 0;
}
