#pragma once
#include "memseal/runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

using Embedding = std::vector<float>;  ///< D floats, L2 norm 1

/// An embedded query: a type of its own, so that no raw vector reaches the search.
struct QueryVector {
  Embedding values;
};

/// Turns text into vectors. Any coroutine of any executor; calls queue inside.
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual std::size_t dimension() const = 0;
  virtual const std::string& model_name() const = 0;  ///< stored with every chunk
  /// One vector per entry; an entry is token ids without [CLS] and [SEP], at most 254 of them.
  /// Throws Outage{timeout | unavailable}.
  virtual asio::awaitable<std::vector<Embedding>> embed(
      runtime::RequestContext context, std::vector<std::vector<std::int32_t>> token_ids) = 0;
  /// Embeds one question (UTF-8), cut on the right to what the model reads.
  virtual asio::awaitable<QueryVector> embed_query(runtime::RequestContext context,
                                                   std::string text) = 0;
};

}  // namespace memseal::ports
