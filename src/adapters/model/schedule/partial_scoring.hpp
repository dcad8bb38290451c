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

/// One request's passages, scored in blocks by any number of threads side by side, the first ones
/// first, so that what the time allows is whole. Owns its texts: they live as long as any work on
/// them. With a deadline, a thread's blocks grow with what it seems to have time for, to half of
/// it; several threads take up less and less, so that they end together.
class Scoring {
 public:
  /// Made for `threads` threads at most; `until` is when finish() wants to answer.
  Scoring(std::shared_ptr<const LoadedModel> model, std::string query,
          std::vector<std::string> passages, runtime::Deadline until, std::size_t threads);

  /// Threads that would find something to do, at least one.
  std::size_t threads_wanted() const noexcept;
  /// Takes up and scores blocks until none is left, `go_on` ends it or finish() has answered.
  /// Keeps what it throws for finish(). A thread that comes late finds nothing to do.
  void take_part(const GoOn& go_on);
  /// Logits of the first passages, up to the first one that was not scored. Waits for blocks that
  /// are being scored, until the time is up: never for a thread that has not begun. Throws what a
  /// block threw: Refused{internal} for a score that is not finite. Once, by the thread that took
  /// part itself.
  std::vector<float> finish();

 private:
  struct Range {
    std::size_t first, last;   // passages [first, last)
  };
  struct Pace;

  std::size_t weight(std::size_t passage) const noexcept;
  std::optional<Range> take_up(Pace& pace);
  std::vector<float> score(Range block, const GoOn& go_on) const;
  void hand_in(Range block, const std::vector<float>& logits, std::exception_ptr failure);

  const std::shared_ptr<const LoadedModel> model_;
  const std::string query_;
  const std::vector<std::string> passages_;
  const runtime::Deadline until_;
  const std::size_t threads_;

  std::mutex guard_;
  std::condition_variable idle_;
  std::size_t next_ = 0, running_ = 0;
  bool ended_ = false;                 // nothing further is taken up
  std::vector<float> scores_;          // NaN: not scored (yet)
  std::exception_ptr failure_;
};

}  // namespace memseal::model
