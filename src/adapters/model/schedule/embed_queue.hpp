#pragma once
// Texts of several requests that wait for a thread at the same moment go through the model as one
// batch, because a batch reads the weights once.
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

/// About how many tokens a batch has: enough to be worth reading the weights, few enough that no
/// request in the batch waits long for the others.
inline constexpr std::size_t joined_tokens = 512;

/// One request: a question, or sequences of tokens. Shared by its caller and by the thread that
/// works on it.
struct EmbedCall {
  std::string question;                                // used when there are no sequences
  std::vector<std::vector<std::int32_t>> sequences;    // from [CLS] to [SEP]
  std::size_t tokens = 0;                              // of all sequences, about
  runtime::Deadline deadline = runtime::Deadline::never();

  std::atomic<bool> left{false};  // the caller no longer waits
  std::vector<ports::Embedding> vectors;
  std::optional<Error> failure;

  bool wanted() const { return !left && !deadline.passed(); }
};

/// The calls of one urgency that wait for a thread.
/// A free thread takes the first call and, up to joined_tokens, the calls that wait behind it. No
/// call waits for a batch to fill.
/// A call is left out once its caller left or its deadline passed. A batch ends early only when
/// that is true of all its calls.
/// Thread: any.
class EmbedQueue : public std::enable_shared_from_this<EmbedQueue> {
 public:
  EmbedQueue(std::shared_ptr<const LoadedModel> model, PriorityPool& pool, Urgency urgency)
      : model_(std::move(model)), pool_(pool), urgency_(urgency) {}

  /// One vector for each sequence. Throws Outage{timeout} at the call's deadline and
  /// Refused{internal} for a vector that is not finite.
  asio::awaitable<std::vector<ports::Embedding>> embed(std::shared_ptr<EmbedCall> call);

 private:
  struct Waiting {
    std::shared_ptr<EmbedCall> call;
    PriorityPool::Task settle;  // hands the outcome to the caller
  };

  void enter(Waiting waiting);
  std::vector<Waiting> next_batch();
  void run();
  void compute(const std::vector<Waiting>& batch) const;

  const std::shared_ptr<const LoadedModel> model_;
  PriorityPool& pool_;
  const Urgency urgency_;
  std::mutex guard_;
  std::deque<Waiting> waiting_;
};

}  // namespace memseal::model
