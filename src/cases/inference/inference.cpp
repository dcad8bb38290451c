#include "cases/inference/inference.hpp"

#include "cases/query/rerank.hpp"

#include "pure/policy/breaker.hpp"
#include "pure/text/wordpiece.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace memseal::query {

namespace {

using runtime::Clock;

// Texts of one call of the embedder, and their bytes: no long stop of this thread, which tokenises
// them, and no long turn on the threads that embed.
constexpr std::size_t slice_texts_max = 64, slice_bytes_max = 65'536;

void refuse_without_reranker(Parts& parts) {
  if (parts.reranker == nullptr)
    throw Refused({Errc::no_model,
                   "no reranker is configured: set rerank.model (MEMSEAL__RERANK__MODEL) to the "
                   "directory of a cross-encoder and start the service again"});
  if (!parts.flags.rerank_enabled.load(std::memory_order_relaxed))
    throw Refused({Errc::no_model, "reranking is switched off: set rerank.enabled to true"});
  if (!parts.breaker.allows(Clock::now()))
    throw Outage({Errc::overloaded,
                  "the reranker was slow or failed a short while ago and is left alone; try again "
                  "in half a minute"});
}

std::vector<std::string> take(std::vector<std::string>& texts, std::size_t first,
                              std::size_t most) {
  const auto last = std::min(texts.size(), first + most);
  return {std::make_move_iterator(texts.begin() + static_cast<std::ptrdiff_t>(first)),
          std::make_move_iterator(texts.begin() + static_cast<std::ptrdiff_t>(last))};
}

[[noreturn]] void give_up(const Scored& scored) {
  if (scored.fallback == Fallback::timeout)
    throw Outage({Errc::timeout, "not one text was ranked in the time there was"});
  if (scored.failure) std::rethrow_exception(scored.failure);
  throw Refused({Errc::internal, "the reranker's scores are not usable"});
}

/// A probe that was answered closes the breaker. Otherwise it is no verdict: how long the call took
/// is the client's choice, so it neither speaks against the reranker nor makes good a slow query.
void record_success(Parts& parts) {
  if (parts.breaker.state(Clock::now()) == policy::BreakerState::half_open)
    record_verdict(parts, Clock::duration::zero(), true);
  else
    parts.breaker.forget();
}

/// What the model reads of a text: its first tokens and the bytes they were made of.
ports::EmbedInput input_of(const text::WordPiece& words, std::string given) {
  std::vector<text::Token> tokens;
  words.encode(given, tokens);
  if (tokens.size() > limits::chunk_tokens_max) {
    tokens.resize(limits::chunk_tokens_max);
    given.resize(tokens.back().end);
  }
  ports::EmbedInput input{{}, std::move(given)};
  for (const auto& token : tokens) input.token_ids.push_back(token.id);
  return input;
}

/// The next texts, as many as one stop allows and one at least.
std::vector<ports::EmbedInput> next_inputs(const text::WordPiece& words,
                                           std::vector<std::string>& texts, std::size_t first) {
  std::vector<ports::EmbedInput> slice;
  std::size_t bytes = 0;
  for (auto i = first; i < texts.size() && slice.size() < slice_texts_max; ++i) {
    bytes += texts[i].size();
    if (!slice.empty() && bytes > slice_bytes_max) break;
    slice.push_back(input_of(words, std::move(texts[i])));
  }
  return slice;
}

void append(std::vector<ports::Embedding>& to, std::vector<ports::Embedding> slice,
            std::size_t expected) {
  const bool sound =
      slice.size() == expected && std::all_of(slice.begin(), slice.end(), [](const auto& vector) {
        return std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
      });
  if (!sound) throw Refused({Errc::internal, "the embedder's vectors are not usable"});
  std::move(slice.begin(), slice.end(), std::back_inserter(to));
}

}  // namespace

asio::awaitable<std::vector<float>> rank_texts(Parts& parts, runtime::RequestContext context,
                                               std::string query, std::vector<std::string> texts) {
  refuse_without_reranker(parts);
  std::vector<float> logits;
  bool in_time = true;
  while (logits.size() < texts.size() && in_time) {
    auto slice = take(texts, logits.size(), limits::candidates_max);
    const auto asked = slice.size();
    const auto budget =
        std::min<Clock::duration>(context.deadline.left(), limits::request_deadline);
    const auto scored = co_await ask_reranker(parts, context, budget, query, std::move(slice));
    const bool late = scored.fallback == Fallback::timeout && !logits.empty();
    if (scored.logits.empty() && !late) {
      record_verdict(parts, scored.took, false);
      give_up(scored);
    }
    logits.insert(logits.end(), scored.logits.begin(), scored.logits.end());
    in_time = scored.logits.size() == asked;
  }
  record_success(parts);
  if (!in_time) parts.probe.rerank_partial.Increment();
  co_return logits;
}

asio::awaitable<Embedded> embed_texts(Parts& parts, runtime::RequestContext context,
                                      std::vector<std::string> texts) {
  if (parts.words == nullptr)
    throw Refused({Errc::no_model, "the embedder of this service takes no texts of clients"});
  Embedded done;
  while (done.vectors.size() < texts.size()) {
    auto slice = next_inputs(*parts.words, texts, done.vectors.size());
    const auto asked = slice.size();
    for (const auto& input : slice) done.tokens += input.token_ids.size() + 2;
    auto vectors = co_await parts.embedder.embed(context, std::move(slice));
    append(done.vectors, std::move(vectors), asked);
  }
  co_return done;
}

}  // namespace memseal::query
