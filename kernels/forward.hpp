#pragma once
// The pass itself: which kernels run over which memory for a batch of a given size.
#include "device.hpp"
#include "weights.hpp"

#include <array>
#include <compare>

namespace memseal::kernels {

/// The size that a captured graph computes: a batch runs in the least that holds it.
struct Bucket {
  std::size_t tokens = 0, sequences = 0;
  auto operator<=>(const Bucket&) const = default;

  /// Tiles of at most `sequences` sequences of together `tokens` tokens.
  std::size_t tiles() const noexcept { return tokens / tile_rows + sequences; }
};

/// Of a question, of a few, of a reranking's candidates, of requests that share a batch.
inline constexpr std::array<std::size_t, 4> usual_sequences{1, 8, 32, 128};

/// Tokens: multiples of 128 to 2,048, of 256 to 4,096, of 512 to 8,192, of 1,024 beyond: at most an
/// eighth is wasted above 1,024. Sequences: one of usual_sequences, beyond them powers of two.
Bucket bucket_of(std::size_t tokens, std::size_t sequences);

/// What a batch tells the kernels, in one block that travels by one copy. Offsets in bytes.
struct BlockLayout {
  explicit BlockLayout(Bucket bucket) noexcept;
  std::size_t counts, starts, tiles, ids, positions, bytes;
};

/// The working memory of one lane, for buckets up to `most`.
class Arena {
 public:
  Arena(Device& device, const Shape& shape, Bucket most);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* block;                        // device: a BlockLayout
  Half *states, *fused, *context, *inner;  // [T, H], [T, 3H], [T, H], [T, I]
  Half *first, *query, *first_context;     // [B, H] each, a cross-encoder's
  float* results;                          // [B] or [B, H]

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  Device& device_;
  std::byte* memory_;
  std::size_t bytes_;
};

/// Numbers of one sequence's result: 1 or H.
std::size_t result_width(const Shape& shape) noexcept;

/// Enqueues one pass over what lies in the arena's block, without the copies before and after.
void enqueue(Stream& stream, const Shape& shape, const DeviceWeights& weights, const Arena& arena,
             Bucket bucket);

/// Lets the device choose how the bucket's matrix products run.
void choose_products(Device& device, const Shape& shape, const DeviceWeights& weights,
                     const Arena& arena, Bucket bucket);

}  // namespace memseal::kernels
