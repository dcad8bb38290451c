#pragma once
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// Scores how well passages answer a question.
class Reranker {
 public:
  virtual ~Reranker() = default;
  virtual const std::string& model_name() const = 0;
  /// Raw logits of the first passages, in their order; greater is better. One per passage, or, when
  /// the deadline does not allow that, as many as it allows and at least one: a caller puts first
  /// what matters most. Answers before the deadline, with time left to use the answer.
  /// Throws Outage{timeout} when not one was scored by the deadline, Outage{unavailable} otherwise:
  /// the caller then keeps its order.
  virtual asio::awaitable<std::vector<float>> score(runtime::RequestContext context,
                                                    std::string query,
                                                    std::vector<std::string> passages) = 0;
};

}  // namespace memseal::ports
