#pragma once
#include "pure/lexical/bm25.hpp"
#include "pure/matrix/wiped_vector.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace memseal::search {

/// The terms of some chunks, one behind the other, in the two columns that lexical::Bm25 reads.
class TermColumns {
 public:
  explicit TermColumns(std::size_t capacity) : ends_(capacity), words_(capacity) {}

  /// The terms of row `row`, which follows the one before it.
  void put(std::size_t row, std::uint32_t words, std::span<const std::uint32_t> hashes,
           std::span<const std::uint16_t> rests) {
    hashes_.append(hashes);
    rests_.append(rests);
    ends_[row] = static_cast<std::uint32_t>(hashes_.size());
    words_[row] = static_cast<std::uint16_t>(std::min<std::uint32_t>(words, none - 1));
  }
  /// The row's terms are not known.
  void put_none(std::size_t row) {
    ends_[row] = static_cast<std::uint32_t>(hashes_.size());
    words_[row] = none;
  }
  void copy(std::size_t row, const TermColumns& from, std::size_t from_row) {
    if (!from.has(from_row)) return put_none(row);
    put(row, from.words_[from_row], from.hashes(from_row), from.rests(from_row));
  }

  bool has(std::size_t row) const noexcept { return words_[row] != none; }
  std::uint32_t words(std::size_t row) const noexcept { return words_[row]; }
  std::span<const std::uint32_t> hashes(std::size_t row) const noexcept {
    return {hashes_.data() + begin(row), ends_[row] - begin(row)};
  }
  std::span<const std::uint16_t> rests(std::size_t row) const noexcept {
    return {rests_.data() + begin(row), ends_[row] - begin(row)};
  }
  std::size_t bytes() const noexcept {
    return ends_.bytes() + words_.bytes() + hashes_.bytes() + rests_.bytes();
  }

 private:
  static constexpr std::uint16_t none = 0xffff;
  std::size_t begin(std::size_t row) const noexcept { return row == 0 ? 0 : ends_[row - 1]; }

  matrix::WipedArray<std::uint32_t> ends_;  ///< behind the row's last term
  matrix::WipedArray<std::uint16_t> words_;
  matrix::WipedVector<std::uint32_t> hashes_;  ///< the upper 32 bits of each
  matrix::WipedVector<std::uint16_t> rests_;   ///< the lower 8 bits of a hash, and a count
};

}  // namespace memseal::search
