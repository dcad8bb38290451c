#pragma once
#include "cases/search/internal/tenant_matrix.hpp"

#include <cstdint>
#include <vector>

namespace memseal::search {

/// ports::SearchFilter, without its place, in the numbers of one matrix. Says of each row what the
/// statement of the database says.
class RowFilter {
 public:
  RowFilter(const TenantMatrix& matrix, const ports::SearchFilter& filter, std::int64_t now_us);

  /// Every row passes.
  bool passes_all() const noexcept { return passes_all_; }
  /// Most questions have no filter, and leave out what changed or expired: that is asked first.
  bool passes(const MatrixBlock& block, std::size_t row) const noexcept {
    const bool is_there =
        documents_[block.documents[row]] != 0 && block.expires_us[row] > now_us_;
    return is_there && (no_filter_ || fits(block, row));
  }

 private:
  void take_documents(const TenantMatrix& matrix, const ports::SearchFilter& filter);
  void take_tags(const TenantMatrix& matrix, const ports::SearchFilter& filter);
  bool fits(const MatrixBlock& block, std::size_t row) const noexcept;
  bool has_tag(const MatrixBlock& block, std::size_t row, std::uint32_t tag) const noexcept;
  bool fits_tags(const MatrixBlock& block, std::size_t row) const noexcept;

  bool no_filter_ = true, passes_all_ = true, nothing_ = false;
  std::int64_t now_us_, after_us_, before_us_;
  unsigned origins_ = ~0u;  ///< a bit for each Origin that passes
  std::vector<std::uint8_t> documents_;  ///< whether those of this number pass
  std::vector<std::uint32_t> all_, any_, none_;
  std::vector<Uuid> ids_;  ///< in their order
};

}  // namespace memseal::search
