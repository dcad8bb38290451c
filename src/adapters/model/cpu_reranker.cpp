#include "adapters/model/cpu_reranker.hpp"

#include "adapters/model/schedule/partial_scoring.hpp"
#include "adapters/model/schedule/priority_pool.hpp"

#include <algorithm>
#include <chrono>

namespace memseal::model {

namespace {

// Kept back from the deadline, for the step that is running then and the way back to the caller.
constexpr runtime::Clock::duration reserve_max = std::chrono::milliseconds(50);

runtime::Deadline ahead_of(const runtime::Deadline& deadline) {
  const auto left = deadline.left();
  return deadline.within(left - std::min(left / 8, reserve_max));
}

asio::awaitable<std::vector<float>> offload_score(CpuLane& lane, std::shared_ptr<Scoring> scoring,
                                                  runtime::Deadline until,
                                                  runtime::Deadline deadline) {
  auto work = [&lane, scoring, until](std::stop_token stop) {
    const GoOn go_on = [&lane, until, stop] {
      lane.yield_to_more_urgent_than(Urgency::rerank);
      return !stop.stop_requested() && !until.passed();
    };
    for (std::size_t helper = 1; helper < scoring->threads_wanted(); ++helper)
      lane.post(Urgency::rerank, [scoring, go_on] { scoring->take_part(go_on); });
    scoring->take_part(go_on);
    auto scores = scoring->finish();
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
  const auto until = ahead_of(context.deadline);
  auto scoring = std::make_shared<Scoring>(model_, std::move(query), std::move(passages), until,
                                           lane_.threads());
  co_return co_await offload_score(lane_, std::move(scoring), until, context.deadline);
}

}  // namespace memseal::model
