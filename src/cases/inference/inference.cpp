#include "cases/inference/inference.hpp"

#include "pure/policy/breaker.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

namespace memseal::inference {

namespace {

using rerank::Fallback;
using rerank::RerankDeps;
using rerank::Scored;
using runtime::Clock;

// Most texts and bytes of one call of the embedder. Bounded because this thread tokenizes them and
// serves other clients too, and because the embedding threads serve ingest too.
constexpr std::size_t slice_texts_max = 64, slice_bytes_max = 65'536;

/// Throws Refused{no_model} where nothing can be ranked before an operator acts.
void require_reranker(const RerankDeps& reranking) {
  if (reranking.reranker == nullptr)
    throw Refused({Errc::no_model,
                   "no reranker is configured: set rerank.model (MEMSEAL__RERANK__MODEL) to the "
                   "directory of a cross-encoder and start the service again"});
  if (!reranking.flags.rerank_enabled.load(std::memory_order_relaxed))
    throw Refused({Errc::no_model, "reranking is switched off: set rerank.enabled to true"});
}

void refuse_without_reranker(const RerankDeps& reranking) {
  require_reranker(reranking);
  // Asked last: from true on, this call may be the probe of the breaker, and every path must end in
  // record_success(), record_outcome() or forget().
  if (!reranking.breaker.allows(Clock::now()))
    throw Outage({Errc::overloaded,
                  "the reranker was slow or failed a short while ago and gets no requests; try "
                  "again in half a minute"});
}

std::vector<std::string> take(std::vector<std::string>& texts, std::size_t first,
                              std::size_t most) {
  const auto last = std::min(texts.size(), first + most);
  return {std::make_move_iterator(texts.begin() + static_cast<std::ptrdiff_t>(first)),
          std::make_move_iterator(texts.begin() + static_cast<std::ptrdiff_t>(last))};
}

[[noreturn]] void throw_failure_of(const Scored& scored) {
  if (scored.fallback == Fallback::timeout)
    throw Outage({Errc::timeout, "no text was ranked before the deadline"});
  if (scored.failure) std::rethrow_exception(scored.failure);
  throw Refused({Errc::internal, "the reranker's scores are not usable"});
}

/// Closes a half-open breaker, because its probe was answered. Otherwise records nothing: the
/// client chose how much one call does, so the time it took neither counts against the reranker nor
/// makes up for slow queries.
void record_success(RerankDeps& reranking) {
  if (reranking.breaker.state(Clock::now()) == policy::BreakerState::half_open)
    record_verdict(reranking, Clock::duration::zero(), true);
  else
    reranking.breaker.forget();
}

/// The first tokens of a text, as many as the model reads, and the bytes that they cover.
ports::EmbedInput input_of(const text::WordPiece& tokenizer, std::string given) {
  std::vector<text::Token> tokens;
  tokenizer.encode(given, tokens);
  // Both are cut at the same token, because a remote embedder reads the text and a local one the
  // ids.
  if (tokens.size() > limits::chunk_tokens_max) {
    tokens.resize(limits::chunk_tokens_max);
    given.resize(tokens.back().end);
  }
  ports::EmbedInput input{{}, std::move(given)};
  for (const auto& token : tokens) input.token_ids.push_back(token.id);
  return input;
}

/// How many of the texts from `first` on make the next slice: at least one, within the bounds
/// above.
std::size_t slice_size(const std::vector<std::string>& texts, std::size_t first) {
  std::size_t count = 0, bytes = 0;
  for (auto i = first; i < texts.size() && count < slice_texts_max; ++i, ++count) {
    // The first text always goes, however long it is, so the loop of the caller ends.
    bytes += texts[i].size();
    if (count > 0 && bytes > slice_bytes_max) break;
  }
  return count;
}

// With [CLS] and [SEP], as the model computes them.
std::size_t tokens_of(const ports::EmbedInput& input) { return input.token_ids.size() + 2; }

/// Tokenizes all texts first, because their number of tokens says how long they take.
asio::awaitable<Batch> batch_of(const text::WordPiece& tokenizer, std::vector<std::string> texts) {
  Batch batch;
  while (batch.texts < texts.size()) {
    if (batch.texts > 0) co_await asio::post(asio::use_awaitable);  // other clients' turn
    auto& slice = batch.slices.emplace_back();
    const auto end = batch.texts + slice_size(texts, batch.texts);
    for (; batch.texts < end; ++batch.texts) {
      slice.push_back(input_of(tokenizer, std::move(texts[batch.texts])));
      batch.tokens += tokens_of(slice.back());
    }
  }
  co_return batch;
}

/// Refuses a batch whose last `tokens_left` tokens cannot be embedded in time. NOTE: allows a
/// quarter more than the time that is left, because the pace may have been measured while the
/// machine was busy.
void refuse_late_batch(const EmbedPace& pace, const Batch& batch, std::size_t tokens_left,
                       runtime::Clock::duration left) {
  const auto now = Clock::now();
  const auto needed = pace.time_for(tokens_left, now), whole = pace.time_for(batch.tokens, now);
  if (!needed || *needed <= left + left / 4) return;
  if (*whole <= embed_deadline)  // It would fit, had others not taken the time.
    throw Outage({Errc::overloaded, "too busy to embed the batch in time"});
  const auto seconds = [](runtime::Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  // Half of what the deadline allows at this pace, so that the batch which the message suggests
  // passes also when the service becomes busier.
  const auto fit = static_cast<double>(batch.texts) * seconds(embed_deadline) / 2 / seconds(*whole);
  const auto tenths = [&](runtime::Clock::duration time) {
    auto text = std::to_string(seconds(time));
    return text.substr(0, text.find('.') + 2);
  };
  throw Refused({Errc::payload_too_large,
                 std::to_string(batch.texts) + " texts of " + std::to_string(batch.tokens) +
                     " tokens take about " + tenths(*whole) + " s, and a request has " +
                     tenths(embed_deadline) + " s: send at most " +
                     std::to_string(std::max<std::int64_t>(1, static_cast<std::int64_t>(fit))) +
                     " such texts at a time",
                 batch.field});
}

void append(std::vector<ports::Embedding>& to, std::vector<ports::Embedding> slice,
            std::size_t expected) {
  // Every distance to an unsound vector would be NaN, wherever the client stores it.
  const bool sound =
      slice.size() == expected && std::all_of(slice.begin(), slice.end(), [](const auto& vector) {
        return ports::has_direction(vector);
      });
  if (!sound) throw Refused({Errc::internal, "the embedder's vectors are not usable"});
  std::move(slice.begin(), slice.end(), std::back_inserter(to));
}

}  // namespace

void require_reranker(const InferenceDeps& deps) { require_reranker(deps.reranking); }

asio::awaitable<Ranked> rank_texts(InferenceDeps& deps, runtime::RequestContext context,
                                   std::string query, std::vector<std::string> texts) {
  auto& reranking = deps.reranking;
  refuse_without_reranker(reranking);
  std::vector<float> logits;
  bool in_time = true;
  // Slices of the size that queries use, one after the other: a long list must not keep the threads
  // from queries for longer than one slice.
  while (logits.size() < texts.size() && in_time) {
    auto slice = take(texts, logits.size(), limits::candidates_max);
    const auto asked = slice.size();
    const auto budget =
        std::min<Clock::duration>(context.deadline.left(), limits::request_deadline);
    const auto scored = co_await ask_reranker(reranking, context, budget, query, std::move(slice));
    // A later call that times out is no failure, because the client gets what is ranked so far.
    const bool late = scored.fallback == Fallback::timeout && !logits.empty();
    if (scored.logits.empty() && !late) {
      record_outcome(reranking, scored);
      throw_failure_of(scored);
    }
    logits.insert(logits.end(), scored.logits.begin(), scored.logits.end());
    // A shorter answer means that the deadline stopped the reranker.
    in_time = scored.logits.size() == asked;
  }
  record_success(reranking);
  if (!in_time) reranking.metrics.partial.Increment();
  Ranked result{std::move(logits), 0};
  result.ranked = result.logits.size();
  if (!in_time) {
    // The sort by score is stable, so equal scores leave these texts behind the ranked ones.
    const float lowest = *std::min_element(result.logits.begin(), result.logits.end());
    result.logits.resize(texts.size(), lowest);
  }
  co_return result;
}

asio::awaitable<Batch> make_batch(InferenceDeps& deps, runtime::RequestContext context,
                                  std::vector<std::string> texts, std::string field) {
  if (deps.tokenizer == nullptr)
    throw Refused({Errc::no_model, "the embedder of this service accepts no texts of clients"});
  auto batch = co_await batch_of(*deps.tokenizer, std::move(texts));
  batch.field = std::move(field);
  refuse_late_batch(deps.pace, batch, batch.tokens, context.deadline.left());
  co_return batch;
}

asio::awaitable<Embedded> embed_batch(InferenceDeps& deps, runtime::RequestContext context,
                                      Batch batch) {
  Embedded done;
  for (auto& slice : batch.slices) {
    // Before each slice and not once: the pace of the first slices shows whether the rest fits.
    refuse_late_batch(deps.pace, batch, batch.tokens - done.tokens, context.deadline.left());
    const auto asked = slice.size();
    std::size_t tokens = 0;
    for (const auto& input : slice) tokens += tokens_of(input);
    // Includes the wait for a thread, because a client waits for that too.
    const auto started = Clock::now();
    auto vectors = co_await deps.embedder.embed(context, std::move(slice));
    const auto ended = Clock::now();
    deps.pace.record(tokens, ended - started, ended);
    append(done.vectors, std::move(vectors), asked);
    done.tokens += tokens;
  }
  co_return done;
}

}  // namespace memseal::inference
