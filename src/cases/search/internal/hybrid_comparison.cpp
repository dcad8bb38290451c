#include "cases/search/internal/hybrid_comparison.hpp"

#include "cases/search/internal/matrix_load.hpp"

#include <utility>

namespace memseal::search {

HybridComparison::HybridComparison(std::shared_ptr<MatrixCache> cache, const crypto::Tenant& owner,
                                   ports::HybridQuestion question, std::size_t limit,
                                   ports::SearchFilter filter, KeyMap keys, Plan plan)
    : cache_(std::move(cache)),
      owner_(owner),
      question_(std::move(question)),
      limit_(limit),
      filter_(std::move(filter)),
      keys_(std::move(keys)),
      plan_(plan),
      opener_(owner_, keys_, cache_->metrics()) {}

void HybridComparison::run(ports::MatrixRows& rows) {
  const auto state = rows.state();
  if (!state) return;
  if (state->erased) return cache_->drop(owner_, MatrixCache::Cause::erased);
  MatrixPtr matrix;
  if (plan_.by_matrix)
    matrix = current_matrix(*cache_, owner_, rows, *state, question_.vector.values.size(),
                            cache_->options().words ? &opener_ : nullptr);
  if (opener_.wanted()) return;
  if (matrix && matrix->fits()) {
    used_matrix_ = answer(rows, *state, std::move(matrix));
    if (used_matrix_ || opener_.wanted()) return;
    cache_->drop(owner_, MatrixCache::Cause::wrong);
    // What made it wrong may make the next one wrong too.
    cache_->avoid(owner_, cache_->options().unfit_for);
  }
  answer(rows, *state, nullptr);
}

bool HybridComparison::answer(ports::MatrixRows& rows, const ports::TenantState& state,
                              MatrixPtr matrix) {
  const auto& options = cache_->options();
  const bool reads_words = plan_.by_words && !question_.words.empty() &&
                           (matrix || state.chunks <= options.words_chunks_max);
  HybridSource source(rows, state, std::move(matrix), {owner_, question_.vector, filter_});
  std::vector<WordMatch> matches;
  if (reads_words) matches = source.by_words(opener_.hashes_of(question_.words), opener_);
  if (opener_.wanted()) return false;
  const DenseWeights weights{options.dense_weight_chat, options.dense_weight_document};
  auto found = hybrid_page(source, question_, limit_, filter_, reads_words ? &matches : nullptr,
                           weights);
  if (source.is_wrong()) return false;
  found_ = std::move(found);
  if (!question_.words.empty())
    (reads_words ? cache_->metrics().words_compared : cache_->metrics().words_left_out)
        .Increment();
  return true;
}

}  // namespace memseal::search
