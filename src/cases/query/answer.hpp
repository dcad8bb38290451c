#pragma once
// The chain behind a query: embed → search → open the seals → rerank → the best few.
#include "base/limits.hpp"
#include "cases/query/probe.hpp"
#include "ports/chunk_search.hpp"
#include "ports/embedder.hpp"
#include "ports/reranker.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "pure/wire/request.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <cstddef>
#include <optional>

namespace memseal::policy {
class Breaker;
}

namespace memseal::text {
class WordPiece;
}

namespace memseal::query {

namespace asio = boost::asio;

/// What an operator or a guardrail may switch while the process runs. Any thread.
struct Flags {
  std::atomic<bool> rerank_enabled{true};
};

/// What a query needs. One per io_context, because of the breaker; all it refers to outlives it.
struct Parts {
  ports::Embedder& embedder;
  ports::ChunkSearch& search;
  ports::TenantKeys& keys;
  ports::Reranker* reranker = nullptr;    ///< null: no model, answers stay in search order
  policy::Breaker& breaker;               ///< used on this Parts' io_context only
  const Flags& flags;
  Probe& probe;
  runtime::Clock::duration rerank_budget = limits::rerank_budget;
  const text::WordPiece* words = nullptr; ///< the embedder's own; null: it takes no clients' texts
};

/// Time per stage; zero for a stage that did not run.
struct Timings {
  runtime::Clock::duration embed{}, search{}, open{}, rerank{}, total{};
};

/// One line of the answer. Borrowed for the call.
struct Hit {
  std::size_t rank = 0;                   ///< from 1
  float score = 0;                        ///< sigmoid(rerank_score), else 1 - distance
  std::optional<float> rerank_score;      ///< the model's raw logit, where it was ranked
  const crypto::Passage& passage;
};

enum class Stage { embed, search, open, rerank };
enum class StageStatus { ok, skipped, failed_open };  ///< failed_open: went on without it

const char* stage_name(Stage stage) noexcept;
const char* stage_status_name(StageStatus status) noexcept;

/// One stage has ended.
struct StageReport {
  Stage stage;
  StageStatus status;
  runtime::Clock::duration took;
  std::size_t count;                      ///< vectors, candidates, passages opened, passages ranked
};

/// Where an answer goes. What it throws ends the query and reaches the caller of answer().
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  /// Called as each stage ends, in the order of Stage.
  virtual asio::awaitable<void> stage(const StageReport& report) = 0;
  /// Called best first, after the last stage. `hit` lives until the awaitable ends.
  virtual asio::awaitable<void> result(const Hit& hit) = 0;
};

struct Summary {
  std::size_t count = 0;                  ///< results given to the sink
  std::size_t candidates = 0;             ///< rows the search returned
  std::size_t opened = 0;                 ///< of those, the ones that could be ranked
  bool reranked = false;                  ///< reranked_count > 0
  std::size_t reranked_count = 0;         ///< fewer than `opened`: the nearest ones, in time
  Fallback fallback = Fallback::none;
  Timings timings;
};

/// Answers one query for one tenant. Reranking has min(deadline, rerank_budget) and never fails
/// the query: what it ranked in time comes first, the rest follows in search order, and the summary
/// says how many it ranked, or why none. Rows that do not open are left
/// out and counted. Throws Failure when embedder, search or keys fail, and system_error
/// operation_aborted when cancelled.
asio::awaitable<Summary> answer(Parts& parts, runtime::RequestContext context,
                                crypto::Tenant who, wire::QueryRequest request, ResultSink& out);

}  // namespace memseal::query
