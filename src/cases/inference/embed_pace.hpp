#pragma once
// How fast texts have been embedded lately.
#include "runtime/context.hpp"

#include <cstddef>
#include <optional>

namespace memseal::inference {

/// Estimates how long a batch takes, so that one which cannot be done in time is refused at once
/// instead of timing out after it has used the CPU for nothing.
/// Thread: that of one io_context.
class EmbedPace {
 public:
  /// Records that `tokens` took `took`. Ignores small calls, because a call costs something even
  /// without tokens.
  void record(std::size_t tokens, runtime::Clock::duration took) noexcept;

  /// How long `tokens` take; empty before the first record.
  std::optional<runtime::Clock::duration> time_for(std::size_t tokens) const noexcept;

 private:
  double ns_per_token_ = 0;  // 0: not known yet
};

}  // namespace memseal::inference
