#pragma once
// What an operator may set of searching.
#include "base/setting.hpp"

namespace memseal::search {

/// Section `search`.
struct Settings {
  std::int64_t matrix_bytes = std::int64_t{256} << 20;
  std::int64_t matrix_chunks_min = 500;
  bool hybrid = true;                        ///< store terms, and compare words beside vectors
  std::int64_t dense_percent_chat = 50;      ///< weight of the vectors beside the words
  std::int64_t dense_percent_document = 70;

  /// The two weights as shares, 0 … 1.
  float chat_weight() const noexcept { return static_cast<float>(dense_percent_chat) / 100; }
  float document_weight() const noexcept {
    return static_cast<float>(dense_percent_document) / 100;
  }

  static SettingRows<Settings> rows();
};

}  // namespace memseal::search
