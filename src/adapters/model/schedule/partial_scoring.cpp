#include "adapters/model/schedule/partial_scoring.hpp"

#include "adapters/model/schedule/batching.hpp"

#include "base/result.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

namespace memseal::model {

namespace {

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
// About one group of the encoder. The first block measures this machine; smaller blocks would not
// fill a group.
constexpr std::size_t small_block = 256;
// Few tokens are shorter, so a block's weight is overestimated rather than underestimated.
constexpr std::size_t bytes_a_token = 3;

}  // namespace

/// The speed of one thread, measured by the blocks it has scored.
struct PartialScoring::Pace {
  const runtime::Clock::time_point started = runtime::Clock::now();
  std::size_t done = 0;   // weight

  std::size_t allowed(const runtime::Deadline& until) const {
    if (until.at() == runtime::Clock::time_point::max()) return no_limit;
    if (done == 0) return small_block;
    const std::chrono::duration<double> took = runtime::Clock::now() - started;
    // Half, because the measured speed may fall; a block that is too large would end after the
    // deadline and count for nothing.
    const std::chrono::duration<double> half = until.left() / 2;
    const auto weight = static_cast<double>(done) * half.count() / std::max(took.count(), 1e-6);
    return static_cast<std::size_t>(std::min(weight, 1e9));
  }
};

PartialScoring::PartialScoring(std::shared_ptr<const LoadedModel> model, std::string query,
                               std::vector<std::string> passages, runtime::Deadline until,
                               std::size_t threads)
    : model_(std::move(model)),
      query_(std::move(query)),
      passages_(std::move(passages)),
      until_(until),
      threads_(std::max<std::size_t>(threads, 1)),
      scores_(passages_.size(), std::numeric_limits<float>::quiet_NaN()) {}

// Counts the blocks that next_block() would make if each were small.
std::size_t PartialScoring::threads_wanted() const noexcept {
  std::size_t blocks = 0, last = small_block;
  for (std::size_t i = 0; i < passages_.size() && blocks < threads_; ++i) {
    if (last + weight(i) > small_block) ++blocks, last = 0;
    last += weight(i);
  }
  return std::max<std::size_t>(blocks, 1);
}

/// Estimates the tokens of a pair before it is tokenised.
std::size_t PartialScoring::weight(std::size_t passage) const noexcept {
  return std::min(3 + (query_.size() + passages_[passage].size()) / bytes_a_token,
                  model_->info.tokens_max);
}

void PartialScoring::run_worker(const ShouldContinue& should_continue) {
  Pace pace;
  while (const auto block = next_block(pace)) {
    std::vector<float> logits;
    std::exception_ptr failure;
    try {
      logits = score(*block, should_continue);
    } catch (...) {
      failure = std::current_exception();
    }
    for (auto i = block->first; i < block->last; ++i) pace.done += weight(i);
    store_block(*block, logits, failure);
  }
}

std::optional<PartialScoring::Range> PartialScoring::next_block(Pace& pace) {
  const auto allowed = pace.allowed(until_);
  const std::lock_guard lock(guard_);
  const auto left = passages_.size() - next_;
  if (ended_ || left == 0) return {};
  // Half of an even share, so that blocks shrink towards the end.
  const auto share = threads_ == 1 ? left : std::max<std::size_t>(left / (2 * threads_), 1);
  Range block{next_, next_ + 1};
  for (auto sum = weight(next_); block.last < passages_.size(); ++block.last) {
    sum += weight(block.last);
    // Up to its share a block may use the allowed time. Beyond that it only fills a small block.
    if (sum > (block.last - block.first < share ? allowed : std::min(allowed, small_block))) break;
  }
  next_ = block.last;
  ++running_;
  return block;
}

/// Empty when `should_continue` ended the block.
std::vector<float> PartialScoring::score(Range block, const ShouldContinue& should_continue) const {
  std::vector<text::TokenPair> pairs;
  std::vector<std::size_t> lengths;
  for (auto i = block.first; i < block.last; ++i) {
    if (!should_continue()) return {};
    pairs.push_back(model_->tokenizer.encode_pair(query_, passages_[i], model_->info.tokens_max));
    lengths.push_back(pairs.back().ids.size());
  }
  // Sorted, because neighbours in length share a group of rows. One batch, so that the head of the
  // model runs once.
  const auto order = plan_batches(lengths, no_limit).front();
  PackedBatch batch;
  for (const auto index : order) batch.add(pairs[index].ids, pairs[index].segment_b);
  std::vector<float> in_order(order.size()), logits(order.size());
  if (!model_->encoder->score(batch, should_continue, in_order)) return {};
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (!std::isfinite(in_order[i]))
      throw Refused({Errc::internal, model_->info.name + " gave a score that is not finite"});
    logits[order[i]] = in_order[i];
  }
  return logits;
}

void PartialScoring::store_block(Range block, const std::vector<float>& logits,
                                 std::exception_ptr failure) {
  const std::lock_guard lock(guard_);
  std::copy(logits.begin(), logits.end(),
            scores_.begin() + static_cast<std::ptrdiff_t>(block.first));
  // A block without scores ends the prefix, so later blocks would be of no use.
  if (logits.empty()) ended_ = true;
  if (failure && !failure_) failure_ = failure;
  if (--running_ == 0) idle_.notify_all();
}

std::vector<float> PartialScoring::finish() {
  std::unique_lock lock(guard_);
  const auto is_idle = [this] { return running_ == 0; };
  if (until_.at() == runtime::Clock::time_point::max())
    idle_.wait(lock, is_idle);
  else
    // A block that does not end in time is given up. Its thread still writes into scores_ later,
    // which this object's shared owners keep alive.
    idle_.wait_until(lock, until_.at(), is_idle);
  ended_ = true;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  const auto first_gap = std::find_if(scores_.begin(), scores_.end(),
                                      [](float score) { return std::isnan(score); });
  return {scores_.begin(), first_gap};
}

}  // namespace memseal::model
