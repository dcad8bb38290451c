#pragma once
// What an operator may set of reranking.
#include "base/limits.hpp"
#include "base/setting.hpp"

namespace memseal::rerank {

/// Of section `rerank`; the rest of the section is the model's.
struct Settings {
  bool enabled = true;
  std::int64_t budget_ms = std::chrono::milliseconds(limits::rerank_budget).count();

  static SettingRows<Settings> rows();
};

}  // namespace memseal::rerank
