#pragma once
#include <utility>

namespace memseal {

/// Runs `action` when the scope ends, unless `cancel()` was called first.
template <class Action>
class OnExit {
 public:
  explicit OnExit(Action action) : action_(std::move(action)) {}
  ~OnExit() {
    if (armed_) action_();
  }
  OnExit(const OnExit&) = delete;
  OnExit& operator=(const OnExit&) = delete;
  void cancel() noexcept { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace memseal
