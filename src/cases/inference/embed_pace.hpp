#pragma once
// How fast texts have been embedded lately.
#include "runtime/context.hpp"

#include <chrono>
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
  void record(std::size_t tokens, runtime::Clock::duration took,
              runtime::Clock::time_point now) noexcept;

  /// How long `tokens` take; empty before the first record, and `kept` after the last one, because
  /// refused batches record nothing: a pace from a busy minute would refuse them for ever.
  std::optional<runtime::Clock::duration> time_for(std::size_t tokens,
                                                   runtime::Clock::time_point now) const noexcept;

  static constexpr std::chrono::seconds kept{30};

 private:
  double ns_per_token_ = 0;  // 0: not known yet
  runtime::Clock::time_point recorded_{};
};

}  // namespace memseal::inference
