#include "cases/search/matrix_search.hpp"

#include "cases/search/internal/matrix_builder.hpp"
#include "cases/search/internal/matrix_cache.hpp"
#include "runtime/log.hpp"
#include "runtime/observe.hpp"

#include <utility>

namespace memseal::search {

namespace {

/// One call of MatrixSearch, over one snapshot. Owns what it touches, because the caller may stop
/// waiting before the thread that runs it ends.
class Comparison {
 public:
  Comparison(std::shared_ptr<MatrixCache> cache, const crypto::Tenant& owner,
             std::vector<ports::QueryVector> queries, std::size_t limit,
             ports::SearchFilter filter)
      : cache_(std::move(cache)),
        owner_(owner),
        queries_(std::move(queries)),
        limit_(limit),
        filter_(std::move(filter)) {}

  void run(ports::MatrixRows& rows) {
    const auto state = rows.state();
    if (!state) return;
    if (state->erased) return cache_->drop(owner_, MatrixCache::Cause::erased);
    const auto matrix = current(rows, *state);
    if (!matrix || !matrix->fits()) return;
    const auto choices = matrix->choose(queries_, limit_, filter_, state->now_us);
    if (!choices) return;
    std::vector<std::vector<crypto::SealedCandidate>> found;
    for (std::size_t which = 0; which < queries_.size(); ++which) {
      if ((*choices)[which].too_many) return;
      auto of_one = fetch(rows, queries_[which], (*choices)[which]);
      if (!of_one) {
        cache_->drop(owner_, MatrixCache::Cause::wrong);
        // What made it wrong may make the next one wrong too.
        return cache_->avoid(owner_, cache_->options().unfit_for);
      }
      found.push_back(std::move(*of_one));
    }
    found_ = std::move(found);
  }

  /// Empty: the database must compare.
  std::optional<std::vector<std::vector<crypto::SealedCandidate>>> take() {
    return std::move(found_);
  }

 private:
  /// The tenant's matrix of the state that the snapshot shows; null where there is none.
  MatrixPtr current(ports::MatrixRows& rows, const ports::TenantState& state) {
    auto matrix = cache_->find(owner_);
    if (matrix && matrix->version() == state.version) {
      cache_->metrics().hits.Increment();
      return matrix;
    }
    if (matrix && matrix->version().count > state.version.count) return nullptr;  // old snapshot
    if (state.chunks < cache_->options().chunks_min) {
      cache_->avoid(owner_, cache_->options().small_for);
      return nullptr;
    }
    const auto wanted = MatrixBuilder::bytes_of(state.chunks, queries_.front().values.size());
    const auto has = matrix ? matrix->bytes() : 0;
    auto turn = cache_->take_turn(owner_, wanted > has ? wanted - has : 0);
    if (!turn) return nullptr;
    return load(rows, state, std::move(matrix), *turn);
  }

  MatrixPtr load(ports::MatrixRows& rows, const ports::TenantState& state, MatrixPtr old,
                 MatrixCache::Turn& turn) {
    const auto start = runtime::Clock::now();
    auto& metrics = cache_->metrics();
    (old ? metrics.loads_delta : metrics.loads_full).Increment();
    MatrixBuilder builder(owner_, old, state.chunks);
    const auto admits = [&](std::size_t bytes) { return turn.reserve(bytes); };
    if (!builder.read(rows, queries_.front().values.size(), admits)) {
      // An older copy that finds no room to be renewed is of no more use.
      if (old) cache_->drop(owner_, MatrixCache::Cause::room);
      cache_->avoid(owner_, cache_->options().unfit_for);
      return nullptr;
    }
    auto made = builder.finish(state);
    runtime::observe_since(metrics.load_s, start);
    if (made->fits())
      turn.keep(made);
    else
      cache_->avoid(owner_, cache_->options().unfit_for);
    return made;
  }

  /// Nothing where the database does not have the rows that the matrix promised: they are another
  /// tenant's, or somebody deleted them by hand.
  std::optional<std::vector<crypto::SealedCandidate>> fetch(ports::MatrixRows& rows,
                                                            const ports::QueryVector& query,
                                                            const Choice& choice) {
    if (choice.ids.empty()) return std::vector<crypto::SealedCandidate>();
    const ports::MatrixChoice wanted{choice.ids, limit_, filter_.after, filter_.without_texts};
    auto found = rows.fetch(query, wanted);
    if (found.size() < choice.certain) return std::nullopt;
    return found;
  }

  const std::shared_ptr<MatrixCache> cache_;
  const crypto::Tenant owner_;
  const std::vector<ports::QueryVector> queries_;
  const std::size_t limit_;
  const ports::SearchFilter filter_;
  std::optional<std::vector<std::vector<crypto::SealedCandidate>>> found_;
};

// Times that the statement of the database takes for out of range are left to it.
bool is_plain(const ports::SearchFilter& filter) {
  constexpr std::int64_t most_ms = 100'000'000'000'000;  // the year 5138
  const auto far = [](const std::optional<std::int64_t>& ms) {
    return ms && (*ms > most_ms || *ms < -most_ms);
  };
  return !far(filter.after_ms) && !far(filter.before_ms);
}

}  // namespace

MatrixSearch::MatrixSearch(ports::ChunkSearch& exact, ports::MatrixStore& store,
                           SearchMetrics& metrics, MatrixOptions options)
    : exact_(exact),
      store_(store),
      metrics_(metrics),
      cache_(std::make_shared<MatrixCache>(metrics, options)) {}

MatrixSearch::~MatrixSearch() = default;

asio::awaitable<std::vector<crypto::SealedCandidate>> MatrixSearch::nearest(
    runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
    std::size_t limit, ports::SearchFilter filter) {
  std::vector<ports::QueryVector> queries;
  queries.push_back(std::move(query));
  auto found = co_await by_matrix(context, owner, queries, limit, filter);
  if (found) co_return std::move(found->front());
  co_return co_await exact_.nearest(std::move(context), owner, std::move(queries.front()), limit,
                                    std::move(filter));
}

asio::awaitable<MatrixSearch::Found> MatrixSearch::nearest_of_each(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<ports::QueryVector> queries,
    std::size_t limit, ports::SearchFilter filter) {
  auto found = co_await by_matrix(context, owner, queries, limit, filter);
  if (found) co_return std::move(*found);
  co_return co_await exact_.nearest_of_each(std::move(context), owner, std::move(queries), limit,
                                            std::move(filter));
}

asio::awaitable<std::optional<MatrixSearch::Found>> MatrixSearch::by_matrix(
    runtime::RequestContext context, crypto::Tenant owner,
    const std::vector<ports::QueryVector>& queries, std::size_t limit,
    const ports::SearchFilter& filter) {
  std::optional<Found> found;
  if (limit > 0 && !queries.empty() && is_plain(filter) && cache_->is_worth(owner)) {
    const auto deadline = context.deadline;
    auto comparison = std::make_shared<Comparison>(cache_, owner, queries, limit, filter);
    std::function<void(ports::MatrixRows&)> work = [comparison](ports::MatrixRows& rows) {
      comparison->run(rows);
    };
    auto limited = context.within(cache_->options().load_max);
    try {
      co_await store_.in_snapshot(std::move(limited), owner, std::move(work));
      found = comparison->take();
    } catch (const Failure& failed) {
      const auto code = failed.error().code;
      // A load that takes too long, rows that cannot be read or a conflict with a standby's replay
      // must not fail the question. Where the database is away, the other plan would fail too.
      const bool is_away = code == Errc::unavailable || code == Errc::shutting_down ||
                           code == Errc::cancelled;
      if (deadline.passed() || is_away) throw;
      runtime::log(runtime::LogLevel::warn, "search.matrix_failed",
                   {{"request_id", context.id}, {"cause", failed.error().message}});
      cache_->avoid(owner, cache_->options().unfit_for);
    }
  }
  (found ? metrics_.plan_matrix : metrics_.plan_exact)
      .Increment(static_cast<double>(queries.size()));
  co_return found;
}

asio::awaitable<std::vector<ports::Neighbour>> MatrixSearch::neighbours(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<Uuid> chunks,
    std::size_t each_side) {
  co_return co_await exact_.neighbours(std::move(context), owner, std::move(chunks), each_side);
}

void MatrixSearch::forget(const crypto::Tenant& owner) noexcept {
  cache_->drop(owner, MatrixCache::Cause::erased);
}

void MatrixSearch::forget_all() noexcept { cache_->drop_all(MatrixCache::Cause::erased); }

}  // namespace memseal::search
