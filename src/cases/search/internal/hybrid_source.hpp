#pragma once
#include "cases/search/internal/batch_terms.hpp"
#include "cases/search/internal/matrix_cache.hpp"
#include "cases/search/internal/word_match.hpp"

#include <vector>

namespace memseal::search {

/// What one snapshot says of the chunks of one tenant and one question: of all chunks behind
/// SearchFilter::after that pass the filter. A matrix compares, or the database where there is
/// none.
/// Lifetime: all that is given outlives it.
class HybridSource {
 public:
  struct Asked {
    const crypto::Tenant& owner;
    const ports::QueryVector& vector;
    const ports::SearchFilter& filter;
  };

  /// `matrix` may be null. REQUIRES: otherwise it fits.
  HybridSource(ports::MatrixRows& rows, const ports::TenantState& state, MatrixPtr matrix,
               const Asked& asked);

  /// The `limit` nearest chunks, without texts.
  std::vector<crypto::SealedCandidate> nearest(std::size_t limit);
  /// The chunks that have a word, in no order; without a matrix some may not pass the filter.
  std::vector<WordMatch> by_words(const std::vector<lexical::WordHashes>& words,
                                  TermOpener& opener);
  /// Those of `ids` that lie behind the filter's place, nearest first, without texts.
  std::vector<crypto::SealedCandidate> placed(const std::vector<Uuid>& ids);
  /// Chunks with their texts, wherever they lie; in no order.
  std::vector<crypto::SealedCandidate> fetch(std::vector<Uuid> ids);

  /// The database did not have what the matrix promised.
  bool is_wrong() const noexcept { return wrong_; }

 private:
  ports::MatrixRows& rows_;
  const ports::TenantState& state_;
  const MatrixPtr matrix_;
  const Asked asked_;
  ports::SearchFilter labels_;  ///< the filter, without texts
  bool wrong_ = false;
};

}  // namespace memseal::search
