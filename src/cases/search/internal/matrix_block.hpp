#pragma once
#include "base/ids.hpp"
#include "cases/search/internal/term_columns.hpp"
#include "pure/matrix/wiped_array.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace memseal::search {

/// Rows of a block at most: few enough to be copied in a millisecond.
inline constexpr std::size_t block_rows = 4'096;

/// Some chunks of one tenant, column by column: the vectors lie packed, and each column that a
/// filter looks at lies by itself. Does not change once it is in a TenantMatrix.
struct MatrixBlock {
  MatrixBlock(std::size_t capacity, std::size_t stride)
      : vectors(capacity * stride),
        inverse_norms(capacity),
        ids(capacity),
        created_us(capacity),
        expires_us(capacity),
        documents(capacity),
        tags_end(capacity),
        origins(capacity),
        terms(capacity) {}
  ~MatrixBlock() { wipe(tags.data(), tags.size() * sizeof(std::uint32_t)); }
  MatrixBlock(const MatrixBlock&) = delete;
  MatrixBlock& operator=(const MatrixBlock&) = delete;

  std::size_t capacity() const noexcept { return ids.size(); }
  std::size_t tags_begin(std::size_t row) const noexcept {
    return row == 0 ? 0 : tags_end[row - 1];
  }
  std::size_t bytes() const noexcept {
    return sizeof *this + vectors.bytes() + inverse_norms.bytes() + ids.bytes() +
           created_us.bytes() + expires_us.bytes() + documents.bytes() + tags_end.bytes() +
           origins.bytes() + terms.bytes() + tags.capacity() * sizeof(std::uint32_t);
  }

  std::size_t size = 0;  ///< rows
  matrix::WipedArray<std::uint16_t> vectors;  ///< halves, stride numbers a row
  matrix::WipedArray<float> inverse_norms;
  matrix::WipedArray<Uuid> ids;
  matrix::WipedArray<std::int64_t> created_us, expires_us;
  matrix::WipedArray<std::uint32_t> documents;  ///< numbers that the matrix gave them
  matrix::WipedArray<std::uint32_t> tags_end;   ///< behind a row's last tag in `tags`
  matrix::WipedArray<std::uint8_t> origins;
  TermColumns terms;
  std::vector<std::uint32_t> tags;              ///< numbers that the matrix gave them
};

}  // namespace memseal::search
