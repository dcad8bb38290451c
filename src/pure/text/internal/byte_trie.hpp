#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::text {

/// Longest-prefix dictionary over bytes, as a double array: a child of the node at `base` by
/// byte `b` lies in cell `base ^ b` when that cell's label is `b`; no two nodes share a base.
/// One step reads one 8-byte cell. Immutable once built.
class ByteTrie {
 public:
  static constexpr std::int32_t none = -1;

  struct Match {
    std::int32_t value = none;  ///< of the longest key that is a prefix, or none
    std::size_t size = 0;       ///< that key's bytes
  };

  ByteTrie() : ByteTrie(std::vector<std::pair<std::string, std::int32_t>>{}) {}
  /// Keys must be unique, not empty, and without the byte 0; values >= 0.
  explicit ByteTrie(std::vector<std::pair<std::string, std::int32_t>> entries);

  /// The longest key that `text` begins with. `text` must not hold the byte 0.
  Match longest(const char* text, std::size_t size) const noexcept {
    Match best;
    const Cell* const cells = cells_.data();
    std::uint32_t base = cells[0].base();
    for (std::size_t at = 0; at < size; ++at) {
      const auto byte = static_cast<unsigned char>(text[at]);
      const Cell cell = cells[base ^ byte];
      if (cell.label() != byte) break;
      const bool ends = cell.value != none;
      best.value = ends ? cell.value : best.value;
      best.size = ends ? at + 1 : best.size;
      base = cell.base();
    }
    return best;
  }

 private:
  struct Cell {
    std::uint32_t base_and_label = 0;  // a leaf's base is 0: cell 0 ^ byte never has label byte
    std::int32_t value = none;
    std::uint32_t base() const noexcept { return base_and_label >> 8; }
    std::uint32_t label() const noexcept { return base_and_label & 0xFF; }
  };
  class Builder;
  std::vector<Cell> cells_;
};

}  // namespace memseal::text
