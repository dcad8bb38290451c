#include "cases/search/internal/hybrid_page.hpp"

#include "base/query_limits.hpp"
#include "pure/lexical/fusion.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace memseal::search {

namespace {

// Of the chunks with the best words those are looked up that may be behind the page's place. More
// than these are left to the order of the vectors.
constexpr std::size_t placed_max = 4'096;

struct ByBytes {
  // The ids of chunks are keyed hashes themselves.
  std::size_t operator()(const Uuid& id) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | id.bytes[i];
    return value;
  }
};

class Page {
 public:
  Page(HybridSource& source, const ports::HybridQuestion& question,
       const ports::SearchFilter& filter, const std::vector<WordMatch>* matches,
       const DenseWeights& weights)
      : source_(source),
        question_(question),
        matches_(matches),
        weights_(weights),
        ahead_(question.ahead.begin(), question.ahead.end()) {
    found_.last = filter.after;
  }

  ports::HybridFound make(std::size_t limit) {
    const auto wanted = limit - std::min(limit, question_.left.size());
    if (wanted > 0) choose(wanted);
    found_.more = found_.more || wanted == 0;
    fetch();
    found_.ahead.assign(ahead_.begin(), ahead_.end());
    return std::move(found_);
  }

 private:
  void choose(std::size_t wanted) {
    const bool fuses = matches_ != nullptr && ahead_.size() + wanted <= limits::ahead_max;
    const auto size = (fuses ? std::max(fused_of_each, wanted) : wanted) + ahead_.size();
    const auto order = source_.nearest(size);
    for (const auto& row : order)
      if (!ahead_.contains(row.id) && (fuses || pool_.size() < wanted)) pool_.push_back(row);
    if (fuses) add_best_words();
    if (matches_ != nullptr) fuse();
    for (std::size_t i = 0; i < std::min(wanted, pool_.size()); ++i) {
      chosen_.push_back(pool_[i].id);
      ahead_.insert(pool_[i].id);
    }
    // The place moves on as far as all have been candidates.
    std::size_t passed = 0;
    for (; passed < order.size() && ahead_.contains(order[passed].id); ++passed) {
      found_.last = ports::SearchPlace{order[passed].distance, order[passed].id};
      ahead_.erase(order[passed].id);
    }
    found_.more = passed < order.size() || order.size() == size;
    if (!found_.more) ahead_.clear();  // of chunks that were deleted meanwhile
  }

  /// Adds to the pool those of the best words that are not in it.
  void add_best_words() {
    std::set<Uuid> in_pool;
    for (const auto& row : pool_) in_pool.insert(row.id);
    auto heap = *matches_;
    const auto is_worse = [](const WordMatch& a, const WordMatch& b) {
      return std::tuple(a.score, b.id) < std::tuple(b.score, a.id);
    };
    std::make_heap(heap.begin(), heap.end(), is_worse);
    std::size_t taken = 0, looked_up = 0;
    while (taken < fused_of_each && looked_up < placed_max && !heap.empty()) {
      std::vector<Uuid> best, unknown;
      // More each time, because a filter or the pages before may leave few of them.
      const auto batch = std::max(fused_of_each - taken, looked_up);
      for (; !heap.empty() && best.size() < batch; heap.pop_back()) {
        std::pop_heap(heap.begin(), heap.end(), is_worse);
        const auto& id = heap.back().id;
        if (ahead_.contains(id)) continue;
        best.push_back(id);
        if (!in_pool.contains(id)) unknown.push_back(id);
      }
      looked_up += best.size();
      std::map<Uuid, crypto::SealedCandidate> placed;
      for (auto& row : source_.placed(unknown)) placed.emplace(row.id, std::move(row));
      for (const auto& id : best) {
        if (taken == fused_of_each) break;
        const auto row = placed.find(id);
        if (row != placed.end()) pool_.push_back(std::move(row->second));
        taken += row != placed.end() || in_pool.contains(id);
      }
    }
  }

  /// Gives the pool its scores, and orders it, best first.
  void fuse() {
    std::unordered_map<Uuid, float, ByBytes> words;
    for (const auto& row : pool_) words[row.id] = 0;
    for (const auto& match : *matches_)
      if (const auto known = words.find(match.id); known != words.end())
        known->second = match.score;
    std::vector<lexical::Fusable> parts;
    for (const auto& row : pool_) parts.push_back({1 - row.distance, words.at(row.id)});
    const auto sums = lexical::fused(parts, fused_of_each, dense_weight());
    for (std::size_t i = 0; i < pool_.size(); ++i)
      pool_[i].hybrid = crypto::HybridScore{parts[i].lexical, sums[i]};
    std::sort(pool_.begin(), pool_.end(), [](const auto& a, const auto& b) {
      if (a.hybrid->fused != b.hybrid->fused) return a.hybrid->fused > b.hybrid->fused;
      return std::tuple(a.distance, a.id) < std::tuple(b.distance, b.id);
    });
  }

  /// One weight for all candidates, because sums of two weights cannot be compared: by how many of
  /// them are turns of chats.
  float dense_weight() const {
    const auto turns = std::count_if(pool_.begin(), pool_.end(), [](const auto& row) {
      return row.origin == Origin::chat;
    });
    const auto share = static_cast<float>(turns) / static_cast<float>(pool_.size());
    return pool_.empty() ? 0 : share * weights_.chat + (1 - share) * weights_.document;
  }

  void fetch() {
    std::map<Uuid, std::optional<crypto::HybridScore>> scores;
    for (const auto& row : pool_) scores.emplace(row.id, row.hybrid);
    if (matches_ != nullptr && !question_.left.empty()) {
      for (const auto& id : question_.left) scores[id] = crypto::HybridScore{};
      for (const auto& match : *matches_)
        if (const auto known = scores.find(match.id); known != scores.end())
          known->second->lexical = match.score;
    }
    auto ids = question_.left;
    ids.insert(ids.end(), chosen_.begin(), chosen_.end());
    std::map<Uuid, crypto::SealedCandidate> rows;
    for (auto& row : source_.fetch(ids)) rows.emplace(row.id, std::move(row));
    for (const auto& id : ids) {
      auto row = rows.extract(id);
      if (row.empty()) continue;
      if (const auto known = scores.find(id); known != scores.end())
        row.mapped().hybrid = known->second;
      found_.rows.push_back(std::move(row.mapped()));
    }
  }

  HybridSource& source_;
  const ports::HybridQuestion& question_;
  const std::vector<WordMatch>* matches_;
  const DenseWeights& weights_;
  std::set<Uuid> ahead_;
  std::vector<crypto::SealedCandidate> pool_;  ///< without texts
  std::vector<Uuid> chosen_;                   ///< of the pool, best first
  ports::HybridFound found_;
};

}  // namespace

ports::HybridFound hybrid_page(HybridSource& source, const ports::HybridQuestion& question,
                               std::size_t limit, const ports::SearchFilter& filter,
                               const std::vector<WordMatch>* matches,
                               const DenseWeights& weights) {
  return Page(source, question, filter, matches, weights).make(limit);
}

}  // namespace memseal::search
