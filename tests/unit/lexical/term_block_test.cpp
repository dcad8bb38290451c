#include "pure/lexical/term_block.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace memseal::lexical {
namespace {

struct Read {
  Uuid chunk;
  std::uint32_t words;
  std::vector<Posting> postings;
  friend bool operator==(const Read&, const Read&) = default;
};

std::optional<std::vector<Read>> read(const Bytes& block) {
  std::vector<Read> all;
  const bool well_formed = read_block(block, [&](const ChunkTerms& chunk) {
    all.push_back({chunk.chunk, chunk.words, {chunk.postings.begin(), chunk.postings.end()}});
  });
  if (!well_formed) return std::nullopt;
  return all;
}

Uuid id(std::uint8_t fill) {
  Uuid made;
  made.bytes.fill(fill);
  return made;
}

TEST(TermBlock, GivesBackWhatWasWritten) {
  BlockWriter writer;
  const std::vector<Posting> some{posting_of(0xffffffffff, 3), posting_of(0, 1),
                                  posting_of(0x0102030405, 9'999)};
  ASSERT_TRUE(writer.add({id(1), 77, some}));
  ASSERT_TRUE(writer.add({id(2), 1'000'000, {}}));
  const auto block = writer.take();
  EXPECT_EQ(block.size(), block_step);
  const std::vector<Read> wanted{{id(1), 77, some}, {id(2), 0xffff, {}}};
  EXPECT_EQ(read(block), wanted);
  EXPECT_EQ(count_of(some[2]), 255u);
  EXPECT_TRUE(writer.empty());
}

TEST(TermBlock, TakesChunksAsLongAsThereIsRoom) {
  const std::vector<Posting> most(postings_max + 50, posting_of(7, 1));
  BlockWriter writer;
  int added = 0;
  while (writer.add({id(1), 1, most})) ++added;
  EXPECT_EQ(added, 5);
  const auto block = writer.take();
  EXPECT_LE(block.size(), block_bytes_max);
  EXPECT_EQ(block.size() % block_step, 0u);
  EXPECT_EQ(read(block)->at(4).postings.size(), postings_max);
}

TEST(TermBlock, TellsNothingOfItsLengthWithinAStep) {
  BlockWriter writer;
  const std::vector<Posting> few(3, posting_of(1, 1)), more(30, posting_of(1, 1));
  writer.add({id(1), 3, few});
  const auto a = writer.take();
  writer.add({id(1), 30, more});
  EXPECT_EQ(a.size(), writer.take().size());
}

TEST(TermBlock, RefusesOtherBytes) {
  BlockWriter writer;
  const std::vector<Posting> some{posting_of(5, 1), posting_of(6, 2)};
  writer.add({id(1), 3, some});
  const auto good = writer.take();
  ASSERT_TRUE(read(good));
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return bytes;
  };
  const struct {
    const char* what;
    Bytes bytes;
  } bad[]{{"nothing", {}},
          {"a part of the head", {1, 0, 0}},
          {"another version", changed(0, 2)},
          {"a flag that is not known", changed(1, 1)},
          {"more chunks than there are", changed(3, 200)},
          {"more postings than there are", changed(4 + 18, 7)},
          {"fewer chunks than there are", changed(3, 0)},
          {"something behind the end", changed(good.size() - 1, 1)},
          {"too much", Bytes(block_bytes_max + 1)}};
  for (const auto& one : bad) EXPECT_FALSE(read(one.bytes)) << one.what;
  EXPECT_TRUE(read(Bytes{1, 0, 0, 0})) << "an empty block";
}

}  // namespace
}  // namespace memseal::lexical
