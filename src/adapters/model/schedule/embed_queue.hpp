#pragma once
// Texts of several requests that wait for a thread at the same moment go through the model as one
// batch: what a batch reads of the weights, it reads once.
#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/priority_pool.hpp"
#include "base/result.hpp"
#include "ports/embedder.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace memseal::model {

/// Tokens of a batch, about: enough to make the most of the weights that are read, few enough that
/// nobody in it waits long for the others.
inline constexpr std::size_t joined_tokens = 512;

/// One request: a question, or sequences that are tokens already. Shared by its caller and by the
/// thread that is at work on it.
struct EmbedCall {
  std::string question;                                // read when there are no sequences
  std::vector<std::vector<std::int32_t>> sequences;    // from [CLS] to [SEP]
  std::size_t tokens = 0;                              // of it all, about
  runtime::Deadline deadline = runtime::Deadline::never();

  std::atomic<bool> left{false};                       // its caller waits no more
  std::vector<ports::Embedding> vectors;
  std::optional<Error> failure;

  bool wanted() const { return !left && !deadline.passed(); }
};

/// The calls of one urgency that wait for a thread. A thread that comes takes up the first and, up
/// to joined_tokens, those behind it that are there then; nobody waits for a batch to fill. A call
/// whose caller left or whose deadline passed is left out, and a batch ends early only when all of
/// its callers did. Calls may come from any thread.
class EmbedQueue : public std::enable_shared_from_this<EmbedQueue> {
 public:
  EmbedQueue(std::shared_ptr<const LoadedModel> model, CpuLane& lane, Urgency urgency)
      : model_(std::move(model)), lane_(lane), urgency_(urgency) {}

  /// One vector per sequence. Throws Outage{timeout} at the call's deadline, Refused{internal} for
  /// a vector that is not finite.
  asio::awaitable<std::vector<ports::Embedding>> embed(std::shared_ptr<EmbedCall> call);

 private:
  struct Waiting {
    std::shared_ptr<EmbedCall> call;
    CpuLane::Task settle;   // hands the outcome to the caller
  };

  void enter(Waiting waiting);
  std::vector<Waiting> take_up();
  void run();
  void compute(const std::vector<Waiting>& batch) const;

  const std::shared_ptr<const LoadedModel> model_;
  CpuLane& lane_;
  const Urgency urgency_;
  std::mutex guard_;
  std::deque<Waiting> waiting_;
};

}  // namespace memseal::model
