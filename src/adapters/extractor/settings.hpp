#pragma once
// What an operator may set of the program that reads documents.
#include "base/setting.hpp"

#include <cstdint>
#include <string>

namespace memseal::extractor {

/// Of section `files`.
struct Settings {
  std::string extractor;  ///< path of memseal-extract; empty: beside this program
  std::int64_t extract_concurrent = 2;
  std::int64_t extract_bytes_max = std::int64_t{64} << 20;

  static SettingRows<Settings> rows();
};

}  // namespace memseal::extractor
