#pragma once
#include "fakes/fault_script.hpp"
#include "ports/embedder.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// The first float of a vector counts the input's tokens, so that a test can tell inputs of
/// different lengths apart. The vectors therefore do not have norm 1.
class Embedder final : public ports::Embedder {
 public:
  /// REQUIRES: dimension >= 4.
  explicit Embedder(std::size_t dimension = 4) : dimension_(dimension) {}

  std::size_t dimension() const override { return dimension_; }
  const std::string& model_name() const override { return name; }
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override {
    const bool is_check = context.id == "health-check";
    if (is_check) {
      ++checks;
      faults.play_check();
    } else {
      co_await faults.play();
      if (check) check(inputs);
      if (hangs && hangs(inputs)) {
        const auto left = context.deadline.left();
        co_await runtime::pause_for(left);
        ++timeouts;
        throw_failure({Errc::timeout, "the call took too long"});
      }
    }
    std::vector<ports::Embedding> vectors;
    for (const auto& input : inputs) {
      ports::Embedding vector{static_cast<float>(input.token_ids.size()), 0.5f, 0.25f};
      vector.resize(dimension_);
      if (spoil) spoil(input.text, vector);
      vectors.push_back(std::move(vector));
    }
    if (is_check) co_return vectors;
    batches.push_back(std::move(inputs));
    if (answers) co_return answers(std::move(vectors));
    co_return vectors;
  }
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext,
                                                  std::string text) override {
    asked.push_back(std::move(text));
    co_await faults.play();
    co_return ports::QueryVector{ports::Embedding(dimension_, 0.5f)};
  }

  /// Number of inputs of each call of embed().
  std::vector<std::size_t> batch_sizes() const {
    std::vector<std::size_t> sizes;
    for (const auto& batch : batches) sizes.push_back(batch.size());
    return sizes;
  }
  /// Texts of all calls of embed(), in order.
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& batch : batches)
      for (const auto& input : batch) all.push_back(input.text);
    return all;
  }

  std::string name = "fake-embedder";
  FaultScript faults;
  int checks = 0;  ///< health checks of ingest; they are not in `batches`
  std::function<void(const std::vector<ports::EmbedInput>&)> check;  ///< of a call; may throw
  /// Whether a call of embed() lasts until its deadline.
  std::function<bool(const std::vector<ports::EmbedInput>&)> hangs;
  int timeouts = 0;  ///< of calls that hung
  /// Changes the vector of a text.
  std::function<void(const std::string& text, ports::Embedding& vector)> spoil;
  std::vector<std::string> asked;                       ///< what embed_query() was given
  std::vector<std::vector<ports::EmbedInput>> batches;  ///< what embed() answered
  /// Replaces the vectors that embed() would give.
  std::function<std::vector<ports::Embedding>(std::vector<ports::Embedding>)> answers;

 private:
  std::size_t dimension_;
};

}  // namespace memseal::fakes
