// Any bytes as RTF.
#include "formats_run.hpp"

using namespace memseal::extract;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return run_on_any_bytes(data, size, [](std::string_view bytes, Blocks& out) {
    read_rtf(bytes, out);
  });
}
