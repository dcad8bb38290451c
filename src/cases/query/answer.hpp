#pragma once
// The chain behind a query: embed → search → open the seals → rerank → the best few.
#include "base/query_limits.hpp"
#include "cases/query/metrics.hpp"
#include "cases/rerank/rerank.hpp"
#include "ports/chunk_search.hpp"
#include "ports/embedder.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "pure/wire/attribute_filter.hpp"
#include "pure/wire/page.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace memseal::query {

namespace asio = boost::asio;

using rerank::Fallback;

/// What a tenant asks. Already checked: texts are UTF-8 and not blank,
/// 1 <= top_k <= candidates <= limits::candidates_wall, and `page` stands beside one text only.
struct Question {
  std::string text;
  std::size_t top_k = limits::answers_max;          ///< most results of the answer
  std::size_t candidates = limits::candidates_max;  ///< passages that are ranked at most
  bool rerank = true;                                   ///< false: results stay in search order
  ports::SearchFilter filter;
  std::vector<std::string> further = {};      ///< asked at once; a passage answers the nearest one
  wire::AttributeFilter attributes = {};      ///< judged after opening, because they lie sealed
  std::optional<float> min_score = {};        ///< results of less are left out
  std::size_t expand = 0;                     ///< neighbours on each side of a result
  std::optional<wire::PageMark> page = {};    ///< empty: the first page
  bool hybrid = true;                         ///< false: vectors alone are compared
};

/// What a query needs. Everything that it refers to must outlive it.
/// Thread: that of one io_context, as RerankDeps.
struct QueryDeps {
  ports::Embedder& embedder;
  ports::ChunkSearch& search;
  ports::TenantKeys& keys;
  rerank::RerankDeps& reranking;
  QueryMetrics& metrics;
  bool compares_words = false;  ///< `search` has terms: questions are asked by their words too
};

/// Time per stage; zero for a stage that did not run.
struct Timings {
  runtime::Clock::duration embed{}, search{}, open{}, rerank{}, total{};
};

/// One result. Borrowed for the call of ResultSink::result().
struct Hit {
  std::size_t rank = 0;                   ///< from 1
  float score = 0;                        ///< sigmoid(rerank_score), else 1 - distance
  std::optional<float> rerank_score;      ///< the model's raw logit; empty: not ranked
  const crypto::Passage& passage;
  std::size_t question = 0;               ///< 0: Question::text, else index + 1 into `further`
  std::span<const crypto::Passage> before = {}, after = {};  ///< neighbours, in their order
};

enum class Stage { embed, search, open, rerank };
/// failed_open: the stage failed and the query continued without it.
enum class StageStatus { ok, skipped, failed_open };

const char* stage_name(Stage stage) noexcept;
const char* stage_status_name(StageStatus status) noexcept;

/// One stage has ended.
struct StageReport {
  Stage stage;
  StageStatus status;
  runtime::Clock::duration took;
  std::size_t count;                      ///< vectors, candidates, passages opened, passages ranked
};

/// Receives an answer. An exception of a sink ends the query and reaches the caller of answer().
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  /// Called when a stage ends, in the order of Stage.
  virtual asio::awaitable<void> stage(const StageReport& report) = 0;
  /// Called after the last stage, best result first. `hit` lives until the awaitable ends.
  virtual asio::awaitable<void> result(const Hit& hit) = 0;
};

struct Summary {
  std::size_t count = 0;                  ///< results given to the sink
  std::size_t candidates = 0;             ///< rows the search returned
  std::size_t opened = 0;                 ///< candidates whose seals opened
  bool reranked = false;                  ///< reranked_count > 0
  std::size_t reranked_count = 0;         ///< less than `opened`: only the nearest were ranked
  Fallback fallback = Fallback::none;
  Timings timings;
  std::optional<wire::PageMark> next = {};  ///< of the next page; empty: there is none
  bool complete = true;  ///< false: Question::attributes was judged of the nearest
                         ///< limits::attribute_rows_max chunks only
  bool hybrid = false;   ///< words were compared too
};

/// Answers one question of one tenant. Reranking has min(deadline, RerankDeps::budget) and never
/// fails the query: passages that it ranked in time come first, the others follow in search order,
/// and the summary says how many it ranked, or why none. Rows that do not open are left out and
/// counted.
/// Throws Failure when embedder, search or keys fail, and system_error operation_aborted when
/// cancelled.
asio::awaitable<Summary> answer(QueryDeps& deps, runtime::RequestContext context,
                                crypto::Tenant who, Question question, ResultSink& out);

}  // namespace memseal::query
