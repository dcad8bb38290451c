#pragma once
#include "adapters/model/encoder/loaded_model.hpp"
#include "runtime/context.hpp"

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace memseal::model {

/// Scores one request's passages on several threads.
/// Threads claim blocks of consecutive passages in order. If the deadline stops the work, the
/// passages scored so far form a prefix.
/// With a deadline, a thread's next block takes about half of the time that is left, as measured
/// by its earlier blocks. Several threads claim smaller blocks towards the end, so that they end
/// together.
/// Owns its texts, because an abandoned thread may still read them.
class PartialScoring {
 public:
  /// `threads`: the most that will call run_worker(). `until`: when finish() is to answer.
  PartialScoring(std::shared_ptr<const LoadedModel> model, std::string query,
                 std::vector<std::string> passages, runtime::Deadline until, std::size_t threads);

  /// Number of threads that would find a block, at least one.
  std::size_t threads_wanted() const noexcept;
  /// Claims and scores blocks until none is left, `should_continue` says no or finish() has
  /// answered. Keeps an exception for finish(). A thread that comes late finds nothing to do.
  void run_worker(const ShouldContinue& should_continue);
  /// Logits of the first passages, up to the first one that was not scored.
  /// Waits, until the time is up, for blocks that are being scored, but not for threads that have
  /// not started. Throws what a block threw: Refused{internal} for a score that is not finite.
  /// REQUIRES: called once, by a thread that called run_worker() itself.
  std::vector<float> finish();

 private:
  struct Range {
    std::size_t first, last;   // passages [first, last)
  };
  struct Pace;

  std::size_t weight(std::size_t passage) const noexcept;
  std::optional<Range> next_block(Pace& pace);
  std::vector<float> score(Range block, const ShouldContinue& should_continue) const;
  void store_block(Range block, const std::vector<float>& logits, std::exception_ptr failure);

  const std::shared_ptr<const LoadedModel> model_;
  const std::string query_;
  const std::vector<std::string> passages_;
  const runtime::Deadline until_;
  const std::size_t threads_;

  std::mutex guard_;
  std::condition_variable idle_;
  std::size_t next_ = 0, running_ = 0;
  bool ended_ = false;         // no block is claimed any more
  std::vector<float> scores_;  // NaN: not scored yet
  std::exception_ptr failure_;
};

}  // namespace memseal::model
