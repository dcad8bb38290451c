#include "adapters/model/cpu/huge_pages.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace memseal::model {
namespace {

TEST(HugePages, PiecesAreAlignedZeroedAndApart) {
  HugePages pages;
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 3u << 20, 9u << 20, 100u}) {
    auto* const piece = static_cast<std::byte*>(pages.take(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece) % 64, 0u) << size;
    for (std::size_t i = 0; i < size; i += 509) ASSERT_EQ(piece[i], std::byte{0});
    std::memset(piece, static_cast<int>(pieces.size() + 1), size);
    pieces.emplace_back(piece, size);
  }
  for (std::size_t k = 0; k < pieces.size(); ++k)
    for (std::size_t i = 0; i < pieces[k].second; i += 509)
      ASSERT_EQ(pieces[k].first[i], static_cast<std::byte>(k + 1));
}

}  // namespace
}  // namespace memseal::model
