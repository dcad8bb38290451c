#pragma once
#include "cases/search/internal/hybrid_page.hpp"
#include "cases/search/internal/matrix_cache.hpp"
#include "cases/search/internal/term_opener.hpp"

#include <memory>
#include <optional>

namespace memseal::search {

/// One try of MatrixSearch::hybrid(), over one snapshot. Owns what it touches, because the caller
/// may stop waiting before the thread that runs it ends.
class HybridComparison {
 public:
  struct Plan {
    bool by_matrix = true;  ///< a copy may be used
    bool by_words = true;   ///< words may be compared
  };

  HybridComparison(std::shared_ptr<MatrixCache> cache, const crypto::Tenant& owner,
                   ports::HybridQuestion question, std::size_t limit, ports::SearchFilter filter,
                   KeyMap keys, Plan plan);

  void run(ports::MatrixRows& rows);
  /// A key of the tenant that is needed beside those that were given: then nothing was found.
  std::optional<std::uint32_t> wanted_key() const noexcept { return opener_.wanted(); }
  bool used_matrix() const noexcept { return used_matrix_; }
  ports::HybridFound take() { return std::move(found_); }

 private:
  /// False: a key is wanted, or the matrix was wrong.
  bool answer(ports::MatrixRows& rows, const ports::TenantState& state, MatrixPtr matrix);

  const std::shared_ptr<MatrixCache> cache_;
  const crypto::Tenant owner_;
  const ports::HybridQuestion question_;
  const std::size_t limit_;
  const ports::SearchFilter filter_;
  const KeyMap keys_;
  const Plan plan_;
  TermOpener opener_;
  bool used_matrix_ = false;
  ports::HybridFound found_;
};

}  // namespace memseal::search
