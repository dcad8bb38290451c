#pragma once
// How much work goes into one call, so that calls take about the same time on every machine.
#include <chrono>
#include <cstddef>

namespace memseal::policy {

struct PaceRules {
  std::size_t first = 1'024;  ///< before anything is known: small, so that a start that ends soon
                              ///< has stored something
  std::size_t least = 1'024, most = 57'344;
  std::chrono::milliseconds fast{150}, slow{500};  ///< the time that a call should take
};

/// Doubles the size after a call that was fast, and halves it after one that was slow. Where calls
/// take the same time whatever their size (a remote service), halving only makes the work slower:
/// it is then taken back, and tried again a few slow calls later.
/// Pure. Thread: one executor.
class Pace {
 public:
  explicit Pace(PaceRules rules) noexcept : rules_(rules), size_(rules.first) {}

  std::size_t size() const noexcept { return size_; }
  /// A call of size `amount` succeeded in `time`. A small one that was fast says nothing about a
  /// larger size.
  void took(std::size_t amount, std::chrono::steady_clock::duration time) noexcept;

 private:
  void was_slow(double rate) noexcept;

  PaceRules rules_;
  std::size_t size_;
  double halved_at_ = 0;  // rate of the slow call for which the size was halved; 0: it was not
  int spared_ = 0;        // slow calls until halving is tried again
};

}  // namespace memseal::policy
