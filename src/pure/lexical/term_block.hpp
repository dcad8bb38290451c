#pragma once
// What is stored of the terms of some chunks: one block, which is sealed as a whole.
//
//   version 1 (1) ‖ 0 (1) ‖ number of chunks u16 (2) ‖ chunks ‖ zeros to a multiple of block_step
//   chunk   = id (16) ‖ words u16 (2) ‖ number of postings u16 (2) ‖ postings
//   posting = keyed hash of a term (5) ‖ how often the chunk has it (1; 255 stands for more)
//
// Big-endian. The zeros hide from a reader of the database how many terms a block has.
#include "base/ids.hpp"
#include "base/secret.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace memseal::lexical {

/// 40 bits of hash above 8 bits of count.
using Posting = std::uint64_t;
inline constexpr Posting posting_of(std::uint64_t hash, std::uint32_t count) noexcept {
  return hash << 8 | (count < 255 ? count : 255);
}
inline constexpr std::uint64_t hash_of(Posting posting) noexcept { return posting >> 8; }
inline constexpr std::uint32_t count_of(Posting posting) noexcept { return posting & 0xff; }

inline constexpr std::size_t block_step = 256, block_bytes_max = 65'536;
inline constexpr std::size_t postings_max = 2'048;  ///< of a chunk; further ones are left out

/// The terms of one chunk. Borrowed for one call.
struct ChunkTerms {
  Uuid chunk;
  std::uint32_t words = 0;  ///< the chunk's length, with repetitions; 65,535 stands for more
  std::span<const Posting> postings;
};

/// Fills a block.
class BlockWriter {
 public:
  BlockWriter();
  /// False: the chunk finds no room beside those that are there, and was left out. A first one
  /// always finds room.
  bool add(const ChunkTerms& chunk);
  bool empty() const noexcept { return chunks_ == 0; }
  /// Ends the block. The writer is then that of an empty block again.
  Bytes take();

 private:
  Bytes bytes_;
  std::uint16_t chunks_ = 0;
};

/// Calls `take` with each chunk of a block. False: these are not the bytes of one; `take` may have
/// been called for some chunks. Any bytes are allowed.
bool read_block(ByteView block, const std::function<void(const ChunkTerms&)>& take);

}  // namespace memseal::lexical
