#include "cases/rerank/settings.hpp"

namespace memseal::rerank {

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {with_alias(flag("rerank.enabled", "rerank search results", &Settings::enabled),
                     "RERANK_ENABLED"),
          number("rerank.budget_ms", "time after which reranking is given up", 1, 10'000,
                 &Settings::budget_ms)};
}

}  // namespace memseal::rerank
