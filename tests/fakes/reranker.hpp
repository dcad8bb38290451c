#pragma once
#include "fakes/fault_script.hpp"
#include "ports/reranker.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// Scores a passage by the last digit of its text: "passage 7" gets 7.
class Reranker final : public ports::Reranker {
 public:
  const std::string& model_name() const override { return name_; }
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string,
                                            std::vector<std::string> passages) override {
    constexpr std::chrono::milliseconds none{0};
    last_deadline = context.deadline;
    asked.push_back(passages.size());
    co_await faults.play();
    if (answers) co_return answers(passages);
    std::vector<float> logits;
    for (const auto& passage : passages) {
      if (each > none && !logits.empty() && context.deadline.left() < 2 * each) break;
      if (each > none) co_await runtime::pause_for(each);
      logits.push_back(static_cast<float>(passage.back() - '0'));
    }
    co_return logits;
  }

  FaultScript faults;
  /// Time of one passage. Near the deadline score() gives the scores that it has.
  std::chrono::milliseconds each{0};
  std::vector<std::size_t> asked;  ///< number of passages of each call
  /// Replaces the scores.
  std::function<std::vector<float>(const std::vector<std::string>&)> answers;
  runtime::Deadline last_deadline = runtime::Deadline::never();

 private:
  std::string name_ = "fake-reranker";
};

}  // namespace memseal::fakes
