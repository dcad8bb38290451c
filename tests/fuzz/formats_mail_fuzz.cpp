// Any bytes as a mail or a mailbox.
#include "extract/formats.hpp"

#include <cstdint>
#include <cstdlib>

using namespace memseal::extract;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Blocks out(
      [](Frame, unsigned level, std::string_view payload) {
        if (level > level_max || payload.size() > payload_bytes_max) std::abort();
      },
      output_bytes_max(size));
  try {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    is_mail(bytes);
    read_mail(bytes, out);
  } catch (const Stop&) {
  }
  return 0;
}
