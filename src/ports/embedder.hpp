#pragma once
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

using Embedding = std::vector<float>;  ///< D floats, L2 norm 1

/// Whether the numbers, as the halves that are stored, are finite and not all of them zero: else
/// every cosine distance to the vector is NaN.
/// A half rounds to infinity from 65,520 on, and to zero up to 2^-25 (IEEE 754 binary16).
inline bool has_direction(const Embedding& vector) noexcept {
  float greatest = 0;
  for (const float value : vector) {
    if (!(std::abs(value) < 65'520.0f)) return false;  // also for NaN
    greatest = std::max(greatest, std::abs(value));
  }
  return greatest > 0x1p-25f;
}

/// An embedded query: a type of its own, so that no raw vector reaches the search.
struct QueryVector {
  Embedding values;
};

/// One piece of a document, both ways: a model in this process reads the ids, one elsewhere the
/// text, and each ignores the other.
struct EmbedInput {
  std::vector<std::int32_t> token_ids;  ///< without [CLS] and [SEP], at most 254 of them
  std::string text;                     ///< UTF-8, what the ids were made of
};

/// Turns text into vectors. Any coroutine of any executor; calls queue inside.
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual std::size_t dimension() const = 0;
  virtual const std::string& model_name() const = 0;  ///< stored with every chunk
  /// One vector per input, in their order. Throws Outage when waiting may help, Refused{bad_config}
  /// when the set-up is wrong, Refused{internal} when these inputs cannot be embedded.
  virtual asio::awaitable<std::vector<Embedding>> embed(runtime::RequestContext context,
                                                        std::vector<EmbedInput> inputs) = 0;
  /// Embeds one question (UTF-8), cut on the right to what the model reads.
  virtual asio::awaitable<QueryVector> embed_query(runtime::RequestContext context,
                                                   std::string text) = 0;
};

}  // namespace memseal::ports
