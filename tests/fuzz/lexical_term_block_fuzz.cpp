// Any bytes as a block of terms: what is read from one, written again, is read again as the same.
#include "base/assert.hpp"
#include "pure/lexical/term_block.hpp"

using namespace memseal::lexical;

namespace {

struct Kept {
  memseal::Uuid id;
  std::uint32_t words;
  std::vector<Posting> postings;
  friend bool operator==(const Kept&, const Kept&) = default;
};

bool read(memseal::ByteView bytes, std::vector<Kept>& chunks) {
  return read_block(bytes, [&](const ChunkTerms& chunk) {
    MEMSEAL_ASSERT(chunk.postings.size() <= postings_max && chunk.words <= 0xffff);
    chunks.push_back({chunk.chunk, chunk.words, {chunk.postings.begin(), chunk.postings.end()}});
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Kept> chunks;
  if (!read({data, size}, chunks)) return 0;
  BlockWriter writer;
  for (const auto& chunk : chunks)
    if (!writer.add({chunk.id, chunk.words, chunk.postings})) return 0;
  const auto written = writer.take();
  MEMSEAL_ASSERT(written.size() % block_step == 0 && written.size() <= block_bytes_max);
  std::vector<Kept> again;
  MEMSEAL_ASSERT(read(written, again));
  MEMSEAL_ASSERT(chunks == again);
  return 0;
}
