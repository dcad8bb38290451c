#pragma once
#include "memseal/runtime/context.hpp"

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
  /// One raw logit per passage, in their order; greater is better.
  /// Throws Outage{timeout} when the deadline passes first, Outage{unavailable} otherwise: the
  /// caller then keeps the search order.
  virtual asio::awaitable<std::vector<float>> score(runtime::RequestContext context,
                                                    std::string query,
                                                    std::vector<std::string> passages) = 0;
};

}  // namespace memseal::ports
