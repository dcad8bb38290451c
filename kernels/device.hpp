#pragma once
// The seam between the pass and what computes it: memory, streams, graphs, and one structure for
// each kernel. The CUDA device launches kernels, the host device runs their plain twins.
#include "half.hpp"
#include "memseal/kernels/engine.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace memseal::kernels {

/// Query rows of one attention tile.
inline constexpr std::size_t tile_rows = 64;

/// What a batch really holds; a launch is sized for its bucket and looks here for the rest.
struct BatchCounts {
  std::int32_t tokens = 0, sequences = 0, tiles = 0, unused = 0;
};

// All pointers are the device's. T: rows of the bucket, B: its sequences; rows beyond the counts
// hold whatever the launch before left there, and nothing of them reaches a real row.

/// states[T, H] = LayerNorm(word + position + type). A row's type is the top bit of its id.
struct EmbedNorm {
  const std::int32_t* ids;             // [T]
  const std::uint16_t* positions;      // [T]
  const Half *words, *places, *types;  // [vocabulary | positions | types, H]
  const float *gain, *bias;            // [H]
  Half* states;                        // [T, H]
  std::size_t rows, hidden;
  float eps;
};

/// to[rows, out] = from[rows, in] weight[out, in]' + bias, plus what `to` held if `add`. Sums in
/// fp32, rounded once.
struct Gemm {
  const Half *from, *weight, *bias;
  Half* to;
  std::size_t rows, in, out;
  bool add;
};

/// context[T, H]: softmax(QK'/sqrt(d))V of each sequence, heads side by side. A tile is
/// `sequence << 16 | number of its rows' block`.
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

/// first[B, H] = the rows of `states` where sequences start; zero beyond the batch's sequences.
struct TakeFirst {
  const Half* states;          // [T, H]
  const std::int32_t* starts;  // [B + 1]
  const BatchCounts* counts;
  Half* first;  // [B, H]
  std::size_t sequences, hidden;
};

/// context[B, H]: as Attend, but one query a sequence; zero beyond the batch's sequences.
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

/// The device does not come to an end: whatever it may be using has to stay where it is.
class Hung : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

/// A captured sequence of work. Lives no longer than its stream.
class Graph {
 public:
  virtual ~Graph() = default;
};

/// Work in order. One thread at a time. Everything but query() and wait() only enqueues; between
/// begin_capture() and end_capture() it is recorded instead. Any of it throws DeviceError.
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
  virtual std::unique_ptr<Graph> end_capture() = 0;
  virtual void launch(const Graph& graph) = 0;
  /// Calls `call(argument)` from a thread of the device's once all before it is done; never, if
  /// something before it failed. `call` must not use the device.
  virtual void notify(void (*call)(void*), void* argument) = 0;
  /// Whether all of it is done. Throws what failed meanwhile.
  virtual bool query() = 0;
  /// Blocks until all of it is done.
  virtual void wait() = 0;
};

/// Any thread, but for what a Stream says of itself. Memory is aligned to 256 bytes. Everything
/// that was taken from a device is given back before it goes; giving back never throws.
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const noexcept = 0;
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void* allocate_pinned(std::size_t bytes) = 0;
  virtual void release_pinned(void* memory) noexcept = 0;
  /// Blocks until `to` holds it.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual std::unique_ptr<Stream> make_stream() = 0;
  /// Chooses how products of these sizes run, before they are captured; it may try them out, over
  /// what `work.to` holds. Blocks; the second time for the same sizes it does nothing.
  virtual void choose(const Gemm& work) = 0;

  /// Something of it hangs and was left as it is: nobody shall open it once more.
  void abandon() noexcept { abandoned_ = true; }
  bool abandoned() const noexcept { return abandoned_; }

 private:
  std::atomic<bool> abandoned_ = false;
};

}  // namespace memseal::kernels
