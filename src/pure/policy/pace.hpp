#pragma once
// How much work goes into one call, so that calls take about the same time on every machine.
#include <chrono>
#include <cstddef>

namespace memseal::policy {

struct PaceRules {
  std::size_t first = 4'096;  ///< before anything is known
  std::size_t least = 1'024, most = 57'344;
  std::chrono::milliseconds fast{150}, slow{500};  ///< the time that a call should take
};

/// Doubles the size after a call that was fast, and halves it after one that was slow.
/// Pure. Thread: one executor.
class Pace {
 public:
  explicit Pace(PaceRules rules) noexcept : rules_(rules), size_(rules.first) {}

  std::size_t size() const noexcept { return size_; }
  /// A call of size `amount` took `time`. A small one says nothing about a larger size.
  void took(std::size_t amount, std::chrono::steady_clock::duration time) noexcept;

 private:
  PaceRules rules_;
  std::size_t size_;
};

}  // namespace memseal::policy
