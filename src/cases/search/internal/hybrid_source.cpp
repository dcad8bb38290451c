#include "cases/search/internal/hybrid_source.hpp"

#include <utility>

namespace memseal::search {

HybridSource::HybridSource(ports::MatrixRows& rows, const ports::TenantState& state,
                           MatrixPtr matrix, const Asked& asked)
    : rows_(rows), state_(state), matrix_(std::move(matrix)), asked_(asked), labels_(asked.filter) {
  labels_.without_texts = true;
}

std::vector<crypto::SealedCandidate> HybridSource::nearest(std::size_t limit) {
  if (matrix_) {
    const auto choices = matrix_->choose({asked_.vector}, limit, asked_.filter, state_.now_us);
    if (choices && !choices->front().too_many) {
      const auto& choice = choices->front();
      if (choice.ids.empty()) return {};
      auto found = rows_.fetch(asked_.vector, {choice.ids, limit, asked_.filter.after, true});
      if (found.size() < choice.certain) wrong_ = true;
      return found;
    }
  }
  return rows_.nearest(asked_.vector, limit, labels_);
}

std::vector<WordMatch> HybridSource::by_words(const std::vector<lexical::WordHashes>& words,
                                              TermOpener& opener) {
  if (matrix_) return matrix_->by_words(words, asked_.filter, state_.now_us);
  BatchTerms terms;
  if (!terms.read(rows_, {}, opener)) return {};
  lexical::Bm25 scoring(words);
  for (std::size_t at = 0; at < terms.size(); ++at) terms.offer(at, scoring);
  std::vector<WordMatch> matches;
  for (const auto& [chunk, score] : scoring.scores()) matches.push_back({terms.id(chunk), score});
  return matches;
}

std::vector<crypto::SealedCandidate> HybridSource::placed(const std::vector<Uuid>& ids) {
  if (ids.empty()) return {};
  if (matrix_) {
    auto found = rows_.fetch(asked_.vector, {ids, ids.size(), asked_.filter.after, true});
    if (!asked_.filter.after && found.size() < ids.size()) wrong_ = true;
    return found;
  }
  auto filter = labels_;
  filter.ids = ids;
  return rows_.nearest(asked_.vector, ids.size(), filter);
}

std::vector<crypto::SealedCandidate> HybridSource::fetch(std::vector<Uuid> ids) {
  if (ids.empty()) return {};
  const auto count = ids.size();
  return rows_.fetch(asked_.vector, {std::move(ids), count, std::nullopt, false});
}

}  // namespace memseal::search
