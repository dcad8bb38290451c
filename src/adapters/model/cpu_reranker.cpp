#include "adapters/model/cpu_reranker.hpp"

#include "adapters/model/schedule/model_pool.hpp"
#include "adapters/model/schedule/partial_scoring.hpp"

#include <algorithm>
#include <chrono>

namespace memseal::model {

namespace {

// Kept back from the deadline, because the running step must end and the caller must resume by
// then.
constexpr runtime::Clock::duration reserve_max = std::chrono::milliseconds(50);

runtime::Deadline ahead_of(const runtime::Deadline& deadline) {
  const auto left = deadline.left();
  return deadline.within(left - std::min(left / 8, reserve_max));
}

asio::awaitable<std::vector<float>> offload_score(PriorityPool& pool,
                                                  std::shared_ptr<PartialScoring> scoring,
                                                  runtime::Deadline until,
                                                  runtime::Deadline deadline) {
  // `until` ends the work, `deadline` the wait. Between them lies the time to hand out what was
  // scored.
  auto work = [&pool, scoring, until](std::stop_token stop) {
    const ShouldContinue should_continue = [&pool, until, stop] {
      pool.yield_to_more_urgent_than(Urgency::rerank);
      return !stop.stop_requested() && !until.passed();
    };
    // Other threads may start late or never. Each task owns `scoring`, so a task that starts after
    // the answer was given finds nothing to do.
    for (std::size_t helper = 1; helper < scoring->threads_wanted(); ++helper)
      pool.post(Urgency::rerank,
                [scoring, should_continue] { scoring->run_worker(should_continue); });
    scoring->run_worker(should_continue);
    auto scores = scoring->finish();
    if (scores.empty())
      throw Outage({Errc::timeout, "reranking did not get to a score within the deadline"});
    return scores;
  };
  co_return co_await pool.offload(Urgency::rerank, deadline, std::move(work));
}

}  // namespace

CpuReranker::CpuReranker(std::shared_ptr<const LoadedModel> model, ModelPool& pool)
    : model_(std::move(model)), pool_(pool.tasks()) {}

const std::string& CpuReranker::model_name() const { return model_->info.name; }
const ModelInfo& CpuReranker::info() const noexcept { return model_->info; }

asio::awaitable<std::vector<float>> CpuReranker::score(runtime::RequestContext context,
                                                       std::string query,
                                                       std::vector<std::string> passages) {
  if (passages.empty()) co_return std::vector<float>();
  const auto until = ahead_of(context.deadline);
  auto scoring = std::make_shared<PartialScoring>(model_, std::move(query), std::move(passages),
                                                  until, pool_.threads());
  co_return co_await offload_score(pool_, std::move(scoring), until, context.deadline);
}

}  // namespace memseal::model
