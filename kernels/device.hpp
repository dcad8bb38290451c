#pragma once
// The interface between the pass and the device that computes it: memory, streams, graphs, and one
// structure for each kernel. The CUDA device launches kernels; the host device runs their plain
// twins.
#include "half.hpp"
#include "memseal/kernels/engine.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace memseal::kernels {

/// Query rows of one attention tile.
inline constexpr std::size_t tile_rows = 64;

/// What a batch really holds. A launch is sized for the batch's bucket, so kernels read the true
/// counts here.
struct BatchCounts {
  std::int32_t tokens = 0, sequences = 0, tiles = 0, unused = 0;
};

// All pointers are device memory. T: rows of the bucket. B: sequences of the bucket.
// Rows beyond the counts hold whatever the previous launch left there; no real row reads them.

/// states[T, H] = LayerNorm(word + position + type). The top bit of an id is the row's type.
struct EmbedNorm {
  const std::int32_t* ids;             // [T]
  const std::uint16_t* positions;      // [T]
  const Half *words, *places, *types;  // [vocabulary | positions | types, H]
  const float *gain, *bias;            // [H]
  Half* states;                        // [T, H]
  std::size_t rows, hidden;
  float eps;
};

/// to[rows, out] = from[rows, in] weight[out, in]' + bias, plus the old `to` if `add`.
/// Sums in fp32, rounded once.
struct Gemm {
  const Half *from, *weight, *bias;
  Half* to;
  std::size_t rows, in, out;
  bool add;
};

/// context[T, H] = softmax(QK'/sqrt(d))V of each sequence, one head beside the other.
/// A tile is `sequence << 16 | block`, where block counts tile_rows query rows of that sequence.
struct Attend {
  const Half* fused;           // [T, 3H]: query, key, value
  const std::int32_t* starts;  // [B + 1]
  const std::int32_t* tiles;   // [tiles_max]
  const BatchCounts* counts;
  Half* context;  // [T, H]
  std::size_t tiles_max, heads, head_size;
};

/// x = LayerNorm(x), row by row.
struct Norm {
  Half* x;                   // [rows, H]
  const float *gain, *bias;  // [H]
  std::size_t rows, hidden;
  float eps;
};

/// x = x/2 (1 + erf(x/sqrt 2)).
struct Gelu {
  Half* x;
  std::size_t count;  // a multiple of 8
};

/// first[B, H] = the row of `states` where each sequence starts; zero beyond the batch's sequences.
struct TakeFirst {
  const Half* states;          // [T, H]
  const std::int32_t* starts;  // [B + 1]
  const BatchCounts* counts;
  Half* first;  // [B, H]
  std::size_t sequences, hidden;
};

/// context[B, H]: as Attend, with one query for each sequence; zero beyond the batch's sequences.
struct AttendFirst {
  const Half* query;           // [B, H]
  const Half* fused;           // [T, 2H]: key, value
  const std::int32_t* starts;  // [B + 1]
  const BatchCounts* counts;
  Half* context;  // [B, H]
  std::size_t sequences, heads, head_size;
};

/// logits[b] = classifier . tanh(pooler first[b] + pooler_bias) + classifier_bias
struct ScoreHead {
  const Half* first;                      // [B, H]
  const Half* pooler;                     // [H, H]
  const float *pooler_bias, *classifier;  // [H]
  const float* classifier_bias;           // [1]
  const BatchCounts* counts;
  float* logits;  // [B]
  std::size_t sequences, hidden;
};

/// vectors[b] = mean of the sequence's states, then L2 norm 1.
struct MeanHead {
  const Half* states;          // [T, H]
  const std::int32_t* starts;  // [B + 1]
  const BatchCounts* counts;
  float* vectors;  // [B, H]
  std::size_t sequences, hidden;
};

/// The device does not finish. Whatever it may still use must not be freed.
class Hung : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

/// A captured sequence of work. Lifetime: its stream outlives it.
class Graph {
 public:
  virtual ~Graph() = default;
};

/// Work that the device does in order.
/// Every function but query() and wait() only enqueues. Between begin_capture() and end_capture()
/// the work is recorded instead.
/// Every function may throw DeviceError.
/// Thread: one at a time.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void copy_in(void* to, const void* pinned, std::size_t bytes) = 0;
  virtual void copy_out(void* pinned, const void* from, std::size_t bytes) = 0;
  virtual void run(const EmbedNorm& work) = 0;
  virtual void run(const Gemm& work) = 0;
  virtual void run(const Attend& work) = 0;
  virtual void run(const Norm& work) = 0;
  virtual void run(const Gelu& work) = 0;
  virtual void run(const TakeFirst& work) = 0;
  virtual void run(const AttendFirst& work) = 0;
  virtual void run(const ScoreHead& work) = 0;
  virtual void run(const MeanHead& work) = 0;
  virtual void begin_capture() = 0;
  /// Ends a capture on the thread that began it, as the driver demands.
  virtual std::unique_ptr<Graph> end_capture() = 0;
  /// Ends a capture that failed; without one it does nothing. REQUIRES: the thread that began it.
  virtual void abandon_capture() noexcept = 0;
  virtual void launch(const Graph& graph) = 0;
  /// Schedules `call(argument)` on a thread of the device, after all earlier work of this stream
  /// has finished. Never called if any of that work failed.
  /// REQUIRES: `call` does not use the device and does not throw, and waits for no thread that does
  /// use it: a call of the device may wait until the callback that runs has returned.
  virtual void notify(void (*call)(void*), void* argument) = 0;
  /// Whether all work has finished. Throws the failure of any.
  virtual bool query() = 0;
  /// Blocks until all work has finished.
  virtual void wait() = 0;
  /// The microseconds of `count` replays, each by the device's own clock; for reports. Blocks.
  virtual std::vector<float> time(const Graph&, int /*count*/) { return {}; }
};

/// Memory is aligned to 256 bytes.
/// Lifetime: all memory and streams of a device are released before it.
/// Thread: any.
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const noexcept = 0;
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void* allocate_pinned(std::size_t bytes) = 0;
  virtual void release_pinned(void* memory) noexcept = 0;
  /// Blocks until `to` holds the bytes.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual std::unique_ptr<Stream> make_stream() = 0;
  /// Chooses an algorithm for products of these sizes, because a capture cannot. May time several,
  /// and then overwrites `work.to`. Blocks. Does nothing for sizes that were chosen before.
  virtual void choose(const Gemm& work) = 0;
  /// What choose() chose, a line a size; for reports.
  virtual std::vector<std::string> choices() const { return {}; }

  /// Call when work on this device hangs and its memory was leaked: the device must not be opened
  /// again in this process.
  void abandon() noexcept { abandoned_ = true; }
  bool abandoned() const noexcept { return abandoned_; }

 private:
  std::atomic<bool> abandoned_ = false;
};

}  // namespace memseal::kernels
