#include "adapters/extractor/settings.hpp"

namespace memseal::extractor {

SettingRows<Settings> Settings::rows() {
  return {setting::path("files.extractor",
                        "the program memseal-extract, which reads documents in a sandbox; empty: "
                        "the one beside memseal",
                        &Settings::extractor),
          setting::number("files.extract_concurrent",
                          "documents that are read at one time, each by a process of up to 512 MiB "
                          "and 10 seconds of processor time",
                          1, 64, &Settings::extract_concurrent),
          setting::number("files.extract_bytes_max",
                          "bytes of the largest document that is read; up to twice "
                          "files.extract_concurrent lie in memory",
                          1, std::int64_t{256} << 20, &Settings::extract_bytes_max)};
}

}  // namespace memseal::extractor
