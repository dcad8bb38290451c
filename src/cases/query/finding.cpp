#include "cases/query/internal/finding.hpp"

#include "pure/text/terms.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace memseal::query {

namespace {

// Rows of one look at sealed attributes. Each look sorts all of the tenant's chunks, so the looks
// grow, until their rows would take too much memory: some 20 KB each where the attributes are the
// largest that are accepted, because PostgreSQL sends bytes as hexadecimal digits.
constexpr std::size_t look_rows_first = 256, look_rows_max = 4'096, look_growth = 4;
// Rows that are opened before others have their turn on this thread.
constexpr std::size_t rows_at_once = 512;

ports::SearchPlace place_of(const crypto::SealedCandidate& row) { return {row.distance, row.id}; }

/// What is sealed beside the texts is judged along the order of the vectors alone.
bool wants_words(const QueryDeps& deps, const Question& question) {
  return deps.compares_words && question.hybrid && question.attributes.empty();
}

/// Finds the candidates of one question.
class Finder {
 public:
  Finder(QueryDeps& deps, const runtime::RequestContext& context, const crypto::Tenant& who,
         const Question& question, Opener& opener)
      : deps_(deps), context_(context), who_(who), question_(question), opener_(opener) {}

  asio::awaitable<Found> find(ports::QueryVector vector, const std::string& text) {
    auto hybrid = co_await find_hybrid(vector, text);
    if (hybrid) co_return std::move(*hybrid);
    Found found;
    auto filter = question_.filter;
    auto wanted = question_.candidates;
    if (question_.page) {
      filter.ids = question_.page->left;
      wanted -= std::min(wanted, filter.ids.size());
      if (const auto& after = question_.page->after)
        found.last = ports::SearchPlace{after->distance, after->id};
      if (!filter.ids.empty())
        found.rows =
            co_await deps_.search.nearest(context_, who_, vector, filter.ids.size(), filter);
      filter.ids.clear();
      filter.after = found.last;
    }
    if (wanted == 0)
      found.more = true;
    else if (question_.attributes.empty())
      co_await take_nearest(std::move(vector), wanted, std::move(filter), found);
    else
      co_await take_matching(std::move(vector), wanted, std::move(filter), found);
    co_return found;
  }

 private:
  /// Nothing where words are not compared.
  asio::awaitable<std::optional<Found>> find_hybrid(const ports::QueryVector& vector,
                                                    const std::string& text) {
    const auto* page = question_.page ? &*question_.page : nullptr;
    // A cursor that names candidates is answered by who knows them, also where words are off now.
    const bool goes_on = page != nullptr && !page->ahead.empty();
    ports::HybridQuestion asked{vector, {}};
    if (wants_words(deps_, question_)) asked.words = text::asked_words_of(text);
    if (asked.words.empty() && !goes_on) co_return std::nullopt;
    auto filter = question_.filter;
    if (page != nullptr) {
      asked.left = page->left;
      asked.ahead = page->ahead;
      if (page->after) filter.after = ports::SearchPlace{page->after->distance, page->after->id};
    }
    auto rows = co_await deps_.search.hybrid(context_, who_, std::move(asked),
                                             question_.candidates, std::move(filter));
    if (!rows) co_return std::nullopt;
    Found found{.rows = std::move(rows->rows), .questions = {}, .last = rows->last,
                .more = rows->more};
    found.ahead = std::move(rows->ahead);
    for (const auto& row : found.rows) found.hybrid = found.hybrid || row.hybrid.has_value();
    co_return found;
  }

  asio::awaitable<void> take_nearest(ports::QueryVector vector, std::size_t wanted,
                                     ports::SearchFilter filter, Found& found) {
    auto rows = co_await deps_.search.nearest(context_, who_, std::move(vector), wanted,
                                              std::move(filter));
    found.more = rows.size() == wanted;
    if (!rows.empty()) found.last = place_of(rows.back());
    std::move(rows.begin(), rows.end(), std::back_inserter(found.rows));
  }

  /// Reads the search order until enough passages match, and then fetches those.
  asio::awaitable<void> take_matching(ports::QueryVector vector, std::size_t wanted,
                                      ports::SearchFilter filter, Found& found) {
    std::vector<Uuid> matching;
    filter.without_texts = true;
    std::size_t looked_at = 0;
    for (std::size_t size = look_rows_first;; size = std::min(size * look_growth, look_rows_max)) {
      size = std::min(size, limits::attribute_rows_max - looked_at);
      filter.after = found.last;
      const auto rows = co_await deps_.search.nearest(context_, who_, vector, size, filter);
      const bool enough = co_await match(rows, wanted, matching, found.last);
      looked_at += rows.size();
      found.more = enough || rows.size() == size;
      found.complete = enough || rows.size() < size || looked_at < limits::attribute_rows_max;
      if (enough || rows.size() < size || looked_at == limits::attribute_rows_max) break;
    }
    if (matching.empty()) co_return;
    filter.after.reset();
    filter.without_texts = false;
    filter.ids = std::move(matching);
    const auto count = filter.ids.size();
    auto rows = co_await deps_.search.nearest(context_, who_, std::move(vector), count,
                                              std::move(filter));
    std::move(rows.begin(), rows.end(), std::back_inserter(found.rows));
  }

  /// Returns whether `wanted` passages match. `last` becomes the last row that was looked at.
  asio::awaitable<bool> match(const std::vector<crypto::SealedCandidate>& rows, std::size_t wanted,
                              std::vector<Uuid>& matching,
                              std::optional<ports::SearchPlace>& last) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i % rows_at_once == rows_at_once - 1) co_await asio::post(asio::use_awaitable);
      last = place_of(rows[i]);
      const auto meta = co_await opener_.open_meta(rows[i]);
      if (!meta || !question_.attributes.matches(*meta)) continue;
      matching.push_back(rows[i].id);
      if (matching.size() == wanted) co_return true;
    }
    co_return false;
  }

  QueryDeps& deps_;
  const runtime::RequestContext& context_;
  const crypto::Tenant& who_;
  const Question& question_;
  Opener& opener_;
};

/// Orders rows that several questions found. Fused scores are compared only where all rows have
/// one, because a mixture of two measures is no order.
struct IsBetter {
  bool by_fused;
  bool operator()(const crypto::SealedCandidate& a, const crypto::SealedCandidate& b) const {
    if (by_fused && a.hybrid->fused != b.hybrid->fused) return a.hybrid->fused > b.hybrid->fused;
    return a.distance < b.distance;
  }
};

IsBetter order_of(const std::vector<Found>& parts) {
  return {std::ranges::all_of(parts, [](const Found& part) {
    return std::ranges::all_of(part.rows, [](const auto& row) { return row.hybrid.has_value(); });
  })};
}

/// Merges what several questions found.
Found merged(std::vector<Found> parts, std::size_t candidates) {
  struct Best {
    std::size_t part, row;
  };
  const auto is_better = order_of(parts);
  std::map<Uuid, Best> nearest;
  Found all;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    all.complete = all.complete && parts[part].complete;
    all.hybrid = all.hybrid || parts[part].hybrid;
    for (std::size_t row = 0; row < parts[part].rows.size(); ++row) {
      const auto& found = parts[part].rows[row];
      const auto [known, is_new] = nearest.try_emplace(found.id, Best{part, row});
      auto& best = known->second;
      if (!is_new && is_better(found, parts[best.part].rows[best.row])) best = {part, row};
    }
  }
  std::vector<Best> order;
  for (const auto& [id, best] : nearest) order.push_back(best);
  std::stable_sort(order.begin(), order.end(), [&](const Best& a, const Best& b) {
    return is_better(parts[a.part].rows[a.row], parts[b.part].rows[b.row]);
  });
  if (order.size() > candidates) order.resize(candidates);
  for (const auto& [part, row] : order) {
    all.rows.push_back(std::move(parts[part].rows[row]));
    all.questions.push_back(part);
  }
  return all;
}

}  // namespace

asio::awaitable<Found> find_candidates(QueryDeps& deps, const runtime::RequestContext& context,
                                       const crypto::Tenant& who, const Question& question,
                                       std::vector<ports::QueryVector> vectors, Opener& opener) {
  std::vector<Found> parts;
  if (vectors.size() > 1 && question.attributes.empty() && !wants_words(deps, question)) {
    // Several questions have no page, so each wants its nearest ones alone.
    auto rows = co_await deps.search.nearest_of_each(context, who, std::move(vectors),
                                                     question.candidates, question.filter);
    for (auto& of_one : rows) parts.emplace_back().rows = std::move(of_one);
    co_return merged(std::move(parts), question.candidates);
  }
  Finder finder(deps, context, who, question, opener);
  for (std::size_t which = 0; which < vectors.size(); ++which) {
    const auto& text = which == 0 ? question.text : question.further[which - 1];
    auto part = co_await finder.find(std::move(vectors[which]), text);
    parts.push_back(std::move(part));
  }
  if (parts.size() > 1) co_return merged(std::move(parts), question.candidates);
  parts[0].questions.assign(parts[0].rows.size(), 0);
  co_return std::move(parts[0]);
}

}  // namespace memseal::query
