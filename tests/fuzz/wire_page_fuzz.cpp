// Any cursor: what is accepted is written as it was read.
#include "base/assert.hpp"
#include "base/query_limits.hpp"
#include "pure/wire/page.hpp"

#include <cstdint>
#include <string_view>

using namespace memseal;
using namespace memseal::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mark = read_cursor(text, 0);
  if (!mark) return 0;
  MEMSEAL_ASSERT(mark->left.size() <= limits::candidates_wall);
  const auto again = read_cursor(make_cursor(*mark, 0), 0);
  MEMSEAL_ASSERT(again && again->left == mark->left);
  MEMSEAL_ASSERT(again->after.has_value() == mark->after.has_value());
  return 0;
}
