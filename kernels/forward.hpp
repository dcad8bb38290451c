#pragma once
// The forward pass: which kernels run over which memory for a batch of a given size.
#include "device.hpp"
#include "weights.hpp"

#include <array>
#include <compare>

namespace memseal::kernels {

/// The size that a captured graph computes. A batch runs in the smallest bucket that holds it.
struct Bucket {
  std::size_t tokens = 0, sequences = 0;
  auto operator<=>(const Bucket&) const = default;

  /// Most attention tiles that this many sequences with this many tokens can need.
  std::size_t tiles() const noexcept { return tokens / tile_rows + sequences; }
};

/// Sequences of a question, of a few, of a reranking, and of requests that share a batch.
inline constexpr std::array<std::size_t, 4> usual_sequences{1, 8, 32, 128};

/// Tokens: multiples of 128 up to 2,048, of 256 up to 4,096, of 512 up to 8,192, of 1,024 beyond,
/// so at most an eighth is wasted above 1,024 tokens. Sequences: one of usual_sequences, beyond
/// them powers of two.
Bucket bucket_of(std::size_t tokens, std::size_t sequences);

/// The inputs of a pass in one block, so that one copy transfers them. Offsets in bytes.
struct BlockLayout {
  explicit BlockLayout(Bucket bucket) noexcept;
  std::size_t counts, starts, tiles, ids, positions, bytes;
};

/// The working memory of one lane, for buckets up to `bucket_max`.
class Arena {
 public:
  Arena(Device& device, const Shape& shape, Bucket bucket_max);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* block;                        // device: a BlockLayout
  Half *states, *fused, *context, *inner;  // [T, H], [T, 3H], [T, H], [T, I]
  Half *first, *query, *first_context;     // [B, H] each; cross-encoders only
  float* results;                          // [B] or [B, H]

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  Device& device_;
  std::byte* memory_;
  std::size_t bytes_;
};

/// Numbers in the result of one sequence: 1 or H.
std::size_t result_width(const Shape& shape) noexcept;

/// Enqueues one pass over the arena's block, without the copies before and after.
void enqueue(Stream& stream, const Shape& shape, const DeviceWeights& weights, const Arena& arena,
             Bucket bucket);

/// Lets the device choose algorithms for the bucket's matrix products.
void choose_products(Device& device, const Shape& shape, const DeviceWeights& weights,
                     const Arena& arena, Bucket bucket);

}  // namespace memseal::kernels
