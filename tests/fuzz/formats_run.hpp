#pragma once
// What every fuzz target of a document's parser does.
#include "extract/formats.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace memseal::extract {

/// Calls `read(bytes, out)`, which has to end in order, within the bounds of its output.
template <class Read>
int run_on_any_bytes(const std::uint8_t* data, std::size_t size, Read read) {
  Blocks out(
      [](Frame, unsigned level, std::string_view payload) {
        if (level > level_max || payload.size() > payload_bytes_max) std::abort();
      },
      output_bytes_max(size));
  try {
    read(std::string_view(reinterpret_cast<const char*>(data), size), out);
  } catch (const Stop&) {
  }
  return 0;
}

}  // namespace memseal::extract
