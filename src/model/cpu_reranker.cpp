#include "memseal/model/cpu_reranker.hpp"

#include "batching.hpp"
#include "cpu_lane.hpp"
#include "loaded_model.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

namespace memseal::model {

namespace {

/// One request. Owns its texts, so that they live exactly as long as the work on them.
struct Pairs {
  std::shared_ptr<const LoadedModel> model;
  std::string query;
  std::vector<std::string> passages;
};

// Kept back from the deadline, for the step that is running then and the way back to the caller.
constexpr runtime::Clock::duration reserve_max = std::chrono::milliseconds(50);
// The first block shows how fast this machine is: about one group of the encoder's.
constexpr std::size_t first_block_tokens = 256;
constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

runtime::Deadline ahead_of(const runtime::Deadline& deadline) {
  const auto left = deadline.left();
  return deadline.within(left - std::min(left / 8, reserve_max));
}

/// Scores passages in blocks, the first ones first, so that what the time allows is whole. Blocks
/// grow with what the time seems to allow, to half of it: the fewer they are, the cheaper.
class Scoring {
 public:
  Scoring(const Pairs& pairs, runtime::Deadline until, const GoOn& go_on)
      : pairs_(pairs), until_(until), go_on_(go_on) {}

  /// Logits of the first passages.
  std::vector<float> run() {
    while (scores_.size() < pairs_.passages.size())
      if (!take_block() || !score_block()) break;
    return std::move(scores_);
  }

 private:
  std::size_t tokens_allowed() const {
    if (until_.at() == runtime::Clock::time_point::max()) return no_limit;
    if (tokens_ == 0) return first_block_tokens;
    const std::chrono::duration<double> took = runtime::Clock::now() - started_;
    const std::chrono::duration<double> half = until_.left() / 2;
    const auto tokens =
        static_cast<double>(tokens_) * half.count() / std::max(took.count(), 1e-6);
    return static_cast<std::size_t>(std::min(tokens, 1e9));
  }

  /// Makes model inputs of the next passages, of one at least. False when the time is up.
  bool take_block() {
    const auto allowed = tokens_allowed();
    std::size_t tokens = 0;
    block_.clear();
    lengths_.clear();
    while (scores_.size() + block_.size() < pairs_.passages.size()) {
      if (!go_on_()) return false;
      if (!spare_) {
        const auto& passage = pairs_.passages[scores_.size() + block_.size()];
        spare_ = pairs_.model->words.encode_pair(pairs_.query, passage,
                                                 pairs_.model->info.tokens_max);
      }
      const auto length = spare_->ids.size();
      if (!block_.empty() && tokens + length > allowed) break;
      tokens += length;
      lengths_.push_back(length);
      block_.push_back(std::move(*spare_));
      spare_.reset();
    }
    return true;
  }

  /// False when the time was up before the block was.
  bool score_block() {
    const auto& model = *pairs_.model;
    // Neighbours in length share a group of rows; one batch, so that the head runs once.
    PackedBatch batch;
    const auto order = plan_batches(lengths_, no_limit).front();
    for (const auto index : order) batch.add(block_[index].ids, block_[index].segment_b);
    std::vector<float> logits(order.size());
    if (!model.encoder->score(batch, go_on_, logits)) return false;
    const auto first = scores_.size();
    scores_.resize(first + order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (!std::isfinite(logits[i]))
        throw Outage({Errc::internal, model.info.name + " gave a score that is not finite"});
      scores_[first + order[i]] = logits[i];
    }
    tokens_ += batch.ids.size();
    return true;
  }

  const Pairs& pairs_;
  const runtime::Deadline until_;
  const GoOn& go_on_;
  const runtime::Clock::time_point started_ = runtime::Clock::now();
  std::vector<float> scores_;
  std::size_t tokens_ = 0;                 // scored so far
  std::vector<text::TokenPair> block_;
  std::vector<std::size_t> lengths_;       // of block_, in tokens
  std::optional<text::TokenPair> spare_;   // made, and too long for the block before
};

asio::awaitable<std::vector<float>> offload_score(CpuLane& lane, Pairs pairs,
                                                  runtime::Deadline deadline) {
  const auto until = ahead_of(deadline);
  auto work = [&lane, pairs = std::move(pairs), until](std::stop_token stop) {
    const GoOn go_on = [&lane, until, &stop] {
      lane.yield_to_more_urgent_than(Urgency::rerank);
      return !stop.stop_requested() && !until.passed();
    };
    auto scores = Scoring(pairs, until, go_on).run();
    if (scores.empty())
      throw Outage({Errc::timeout, "reranking did not get to a score within the deadline"});
    return scores;
  };
  co_return co_await lane.offload(Urgency::rerank, deadline, std::move(work));
}

}  // namespace

CpuReranker::CpuReranker(std::shared_ptr<const LoadedModel> model, asio::thread_pool& cpu)
    : model_(std::move(model)), lane_(asio::use_service<CpuLane>(cpu)) {}

const std::string& CpuReranker::model_name() const { return model_->info.name; }
const ModelInfo& CpuReranker::info() const noexcept { return model_->info; }

asio::awaitable<std::vector<float>> CpuReranker::score(runtime::RequestContext context,
                                                       std::string query,
                                                       std::vector<std::string> passages) {
  if (passages.empty()) co_return std::vector<float>();
  Pairs pairs{model_, std::move(query), std::move(passages)};
  co_return co_await offload_score(lane_, std::move(pairs), context.deadline);
}

}  // namespace memseal::model
