#include "cases/search/matrix_search.hpp"

#include "cases/search/internal/hybrid_comparison.hpp"
#include "cases/search/internal/matrix_load.hpp"
#include "runtime/log.hpp"

#include <utility>

namespace memseal::search {

namespace {

/// One call of MatrixSearch, over one snapshot. Owns what it touches, because the caller may stop
/// waiting before the thread that runs it ends.
class Comparison {
 public:
  Comparison(std::shared_ptr<MatrixCache> cache, const crypto::Tenant& owner,
             std::vector<ports::QueryVector> queries, std::size_t limit,
             ports::SearchFilter filter, KeyMap keys)
      : cache_(std::move(cache)),
        owner_(owner),
        queries_(std::move(queries)),
        limit_(limit),
        filter_(std::move(filter)),
        keys_(std::move(keys)),
        opener_(owner_, keys_, cache_->metrics()) {}

  void run(ports::MatrixRows& rows) {
    const auto state = rows.state();
    if (!state) return;
    if (state->erased) return cache_->drop(owner_, MatrixCache::Cause::erased);
    const auto matrix =
        current_matrix(*cache_, owner_, rows, *state, queries_.front().values.size(),
                       cache_->options().words ? &opener_ : nullptr);
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

  /// A key of the tenant that is needed beside those that were given: then nothing was found.
  std::optional<std::uint32_t> wanted_key() const noexcept { return opener_.wanted(); }
  /// Empty: the database must compare.
  std::optional<std::vector<std::vector<crypto::SealedCandidate>>> take() {
    return std::move(found_);
  }

 private:
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
  const KeyMap keys_;
  TermOpener opener_;
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
                           SearchMetrics& metrics, MatrixOptions options, ports::TenantKeys* keys)
    : exact_(exact),
      store_(store),
      metrics_(metrics),
      keys_(keys),
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

// The generations that the tenant's blocks were seen to name; a first look finds them out.
asio::awaitable<KeyMap> MatrixSearch::keys_of(runtime::RequestContext context,
                                              crypto::Tenant owner) {
  KeyMap keys;
  for (const auto id : cache_->key_ids(owner)) {
    auto key = co_await keys_->opening_key(context, owner, id);
    keys.emplace(id, std::move(key));
  }
  co_return keys;
}

asio::awaitable<std::optional<MatrixSearch::Found>> MatrixSearch::by_matrix(
    runtime::RequestContext context, crypto::Tenant owner,
    const std::vector<ports::QueryVector>& queries, std::size_t limit,
    const ports::SearchFilter& filter) {
  std::optional<Found> found;
  bool tries = limit > 0 && !queries.empty() && is_plain(filter) && cache_->is_worth(owner);
  const auto limited = context.within(cache_->options().load_max);
  while (tries) {
    auto keys = co_await keys_of(context, owner);
    auto comparison =
        std::make_shared<Comparison>(cache_, owner, queries, limit, filter, std::move(keys));
    std::function<void(ports::MatrixRows&)> work = [comparison](ports::MatrixRows& rows) {
      comparison->run(rows);
    };
    const bool ran = co_await ran_in_snapshot(context, limited, owner, std::move(work));
    tries = ran && note_key(owner, comparison->wanted_key());
    if (ran && !tries) found = comparison->take();
  }
  (found ? metrics_.plan_matrix : metrics_.plan_exact)
      .Increment(static_cast<double>(queries.size()));
  co_return found;
}

bool MatrixSearch::note_key(const crypto::Tenant& owner, std::optional<std::uint32_t> wanted) {
  return wanted && cache_->note_key(owner, *wanted);
}

asio::awaitable<bool> MatrixSearch::ran_in_snapshot(runtime::RequestContext context,
                                                    runtime::RequestContext limited,
                                                    crypto::Tenant owner,
                                                    std::function<void(ports::MatrixRows&)> work) {
  try {
    co_await store_.in_snapshot(std::move(limited), owner, std::move(work));
    co_return true;
  } catch (const Failure& failed) {
    const auto code = failed.error().code;
    // A load that takes too long, rows that cannot be read or a conflict with a standby's replay
    // must not fail the question. Where the database is away, or refuses the role a statement, the
    // other plan would fail too; and an alarm counts refusals.
    const bool is_lost = code == Errc::unavailable || code == Errc::shutting_down ||
                         code == Errc::cancelled || code == Errc::bad_config;
    if (context.deadline.passed() || is_lost) throw;
    runtime::log(runtime::LogLevel::warn, "search.matrix_failed",
                 {{"request_id", context.id}, {"cause", failed.error().message}});
    cache_->avoid(owner, cache_->options().unfit_for);
  }
  co_return false;
}

asio::awaitable<std::optional<ports::HybridFound>> MatrixSearch::hybrid(
    runtime::RequestContext context, crypto::Tenant owner, ports::HybridQuestion question,
    std::size_t limit, ports::SearchFilter filter) {
  if (!cache_->options().words) {
    if (question.ahead.empty()) co_return std::nullopt;
    question.words.clear();
  }
  HybridComparison::Plan plan{.by_matrix = is_plain(filter) && cache_->is_worth(owner)};
  // One try fails where a copy cannot be made, and one where terms cannot be read.
  for (int failures = 0;;) {
    auto keys = co_await keys_of(context, owner);
    auto comparison = std::make_shared<HybridComparison>(cache_, owner, question, limit, filter,
                                                         std::move(keys), plan);
    auto limited = context.within(cache_->options().load_max);
    const bool simple = !plan.by_matrix && !plan.by_words;
    const std::function<void(ports::MatrixRows&)> work = [comparison](ports::MatrixRows& rows) {
      comparison->run(rows);
    };
    bool ran = true;
    if (simple)
      co_await store_.in_snapshot(context, owner, work);
    else
      ran = co_await ran_in_snapshot(context, std::move(limited), owner, work);
    if (!ran) {
      plan = {.by_matrix = false, .by_words = failures++ == 0 && plan.by_matrix};
      continue;
    }
    if (const auto wanted = comparison->wanted_key()) {
      if (note_key(owner, wanted)) continue;
      plan = {.by_matrix = false, .by_words = false};
      continue;
    }
    (comparison->used_matrix() ? metrics_.plan_matrix : metrics_.plan_exact).Increment();
    co_return comparison->take();
  }
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
