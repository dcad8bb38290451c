#include "pure/text/internal/byte_trie.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <bitset>
#include <span>

namespace memseal::text {

// Places nodes depth first. The children of one base all lie in one block of 256 cells, so the
// search for a base goes block by block. It tries the newest blocks only, because older blocks are
// nearly full.
class ByteTrie::Builder {
 public:
  using Entry = std::pair<std::string, std::int32_t>;

  explicit Builder(std::vector<Cell>& cells) : cells_(cells) { add_block(); }

  void build(std::span<const Entry> sorted) {
    blocks_[0].taken.set(0);  // the root's cell
    blocks_[0].free = 255;
    blocks_[0].bases.set(0);  // base 0 means "no children"
    place(sorted, 0, 0);
  }

 private:
  struct Block {
    std::bitset<256> taken;  // cells in use
    std::bitset<256> bases;  // bases in use
    std::size_t free = 256;  // cells not in use
  };

  void add_block() {
    MEMSEAL_ASSERT(cells_.size() < (std::size_t{1} << 24));
    blocks_.emplace_back();
    cells_.resize(cells_.size() + 256);
  }

  // `range`: the entries that share the first `depth` bytes, which led to `cell`.
  void place(std::span<const Entry> range, std::size_t depth, std::uint32_t cell) {
    if (!range.empty() && range.front().first.size() == depth) {
      cells_[cell].value = range.front().second;
      range = range.subspan(1);
    }
    // A leaf keeps base 0, where no child has a matching label.
    if (range.empty()) return;
    std::string labels;
    for (const auto& entry : range) {
      if (labels.empty() || labels.back() != entry.first[depth]) labels += entry.first[depth];
    }
    const std::uint32_t base = labels.size() == 1 ? near_base(labels, cell) : find_base(labels);
    cells_[cell].base_and_label |= base << 8;
    // take() has reserved the cells of all children, so the subtrees that are placed below cannot
    // use them.
    for (const char label : labels) cells_[child(base, label)].base_and_label = byte(label);
    for (const char label : labels) {
      const auto last = std::find_if(range.begin(), range.end(), [&](const Entry& entry) {
        return entry.first[depth] != label;
      });
      const auto count = static_cast<std::size_t>(last - range.begin());
      place(range.first(count), depth + 1, child(base, label));
      range = range.subspan(count);
    }
  }

  // Put an only child into the cache line of its parent if there is room, because most of the path
  // of a long word is a chain of only children.
  std::uint32_t near_base(const std::string& labels, std::uint32_t parent) {
    for (std::uint32_t step = 1; step < line_cells; ++step) {
      const std::uint32_t target = parent ^ step;
      const std::uint32_t base = child(target, labels[0]), block = base >> 8, low = base & 0xFF;
      if (fits(blocks_[block], low, labels)) return take(block, low, labels);
    }
    return find_base(labels);
  }

  std::uint32_t find_base(const std::string& labels) {
    const std::size_t first = blocks_.size() > blocks_tried ? blocks_.size() - blocks_tried : 0;
    for (std::size_t block = first; block < blocks_.size(); ++block) {
      if (blocks_[block].free < labels.size()) continue;
      for (std::uint32_t low = 0; low < 256; ++low) {
        if (fits(blocks_[block], low, labels)) return take(block, low, labels);
      }
    }
    add_block();
    return take(blocks_.size() - 1, 0, labels);
  }

  static bool fits(const Block& block, std::uint32_t low, const std::string& labels) {
    if (block.bases[low]) return false;
    return std::none_of(labels.begin(), labels.end(),
                        [&](char label) { return block.taken[low ^ byte(label)]; });
  }

  std::uint32_t take(std::size_t block, std::uint32_t low, const std::string& labels) {
    blocks_[block].bases.set(low);
    blocks_[block].free -= labels.size();
    for (const char label : labels) blocks_[block].taken.set(low ^ byte(label));
    return static_cast<std::uint32_t>(block << 8) | low;
  }

  static std::uint32_t byte(char label) { return static_cast<unsigned char>(label); }
  static std::uint32_t child(std::uint32_t base, char label) { return base ^ byte(label); }

  static constexpr std::size_t blocks_tried = 16;
  static constexpr std::uint32_t line_cells = 64 / sizeof(Cell);
  std::vector<Cell>& cells_;
  std::vector<Block> blocks_;
};

ByteTrie::ByteTrie(std::vector<std::pair<std::string, std::int32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  for (std::size_t at = 0; at < entries.size(); ++at) {
    MEMSEAL_ASSERT(!entries[at].first.empty() && entries[at].second >= 0);
    MEMSEAL_ASSERT(entries[at].first.find('\0') == std::string::npos);
    MEMSEAL_ASSERT(at == 0 || entries[at - 1].first != entries[at].first);
  }
  Builder(cells_).build(entries);
  cells_.shrink_to_fit();
}

}  // namespace memseal::text
