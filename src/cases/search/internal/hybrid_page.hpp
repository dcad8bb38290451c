#pragma once
#include "cases/search/internal/hybrid_source.hpp"
#include "ports/chunk_search.hpp"

#include <cstddef>
#include <vector>

namespace memseal::search {

/// The best chunks of each search that are fused.
inline constexpr std::size_t fused_of_each = 100;

struct DenseWeights {
  float chat = 0.5f, document = 0.7f;  ///< of the vectors, 0 … 1
};

/// One page of a hybrid answer: ChunkSearch::hybrid() over one snapshot. `matches` are what
/// HybridSource::by_words() gave; null: words are not compared.
///
/// The pages of an answer hold each chunk once, whatever each of them fuses: a page's place says up
/// to where all chunks of the search order have been candidates, and `ahead` names the candidates
/// behind it. Where these become too many, a page takes the nearest ones and nothing else.
ports::HybridFound hybrid_page(HybridSource& source, const ports::HybridQuestion& question,
                               std::size_t limit, const ports::SearchFilter& filter,
                               const std::vector<WordMatch>* matches, const DenseWeights& weights);

}  // namespace memseal::search
