#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::text {

/// Longest-prefix dictionary over bytes, as a double array. The child of the node at `base` by byte
/// `b` lies in cell `base ^ b`, if the label of that cell is `b`. No two nodes share a base.
/// One step reads one 8-byte cell. Immutable.
class ByteTrie {
 public:
  static constexpr std::int32_t none = -1;

  struct Match {
    std::int32_t value = none;  ///< of the longest key that is a prefix, or `none`
    std::size_t size = 0;       ///< size of that key in bytes
  };

  ByteTrie() : ByteTrie(std::vector<std::pair<std::string, std::int32_t>>{}) {}
  /// REQUIRES: keys are unique, not empty and without the byte 0; values are >= 0.
  explicit ByteTrie(std::vector<std::pair<std::string, std::int32_t>> entries);

  /// The longest key that `text` begins with. REQUIRES: `text` has no byte 0.
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
    std::uint32_t base_and_label = 0;  // base 0 in a leaf: cell 0 ^ byte never has label byte
    std::int32_t value = none;
    std::uint32_t base() const noexcept { return base_and_label >> 8; }
    std::uint32_t label() const noexcept { return base_and_label & 0xFF; }
  };
  class Builder;
  std::vector<Cell> cells_;
};

}  // namespace memseal::text
