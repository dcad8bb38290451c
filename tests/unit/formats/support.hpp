#pragma once
#include "extract/charset.hpp"
#include "extract/formats.hpp"
#include "support/zip_writer.hpp"

#include <string>
#include <string_view>

namespace memseal::extract {

/// What a file becomes, a line a block ("H2 Title", "T text", "R a|b", "P label") and how it ends.
inline std::string blocks_of(std::string_view bytes) {
  std::string all;
  Blocks out(
      [&](Frame type, unsigned level, std::string_view payload) {
        EXPECT_LE(payload.size(), payload_bytes_max);
        EXPECT_TRUE(is_utf8(payload));
        all += static_cast<char>(type);
        if (level > 0) all += std::to_string(level);
        all += ' ';
        for (const char c : payload) all += c == '\t' ? '|' : c;
        all += '\n';
      },
      output_bytes_max(bytes.size()));
  static const char* const ends[] = {"whole",     "encrypted",   "damaged",
                                     "too large", "unsupported", "needs pdfium"};
  const auto end = extract(bytes, nullptr, out);
  return all + ends[static_cast<unsigned>(end)];
}

}  // namespace memseal::extract
