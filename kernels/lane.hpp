#pragma once
// One stream with memory of its own, which computes one batch at a time.
#include "forward.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <vector>

namespace memseal::kernels {

/// Sequences [first, last) of a batch.
struct Slice {
  const Batch* batch;
  std::size_t first, last;

  std::size_t sequences() const noexcept { return last - first; }
  std::size_t tokens() const noexcept { return batch->starts[last] - batch->starts[first]; }
};

/// Writes the inputs of a pass over `slices`: all BlockLayout(bucket).bytes of `block`.
/// REQUIRES: the slices fit into `bucket`.
void fill_block(std::byte* block, Bucket bucket, std::span<const Slice> slices);

/// Captured passes by bucket. Evicts the one used least recently when there are too many.
class GraphCache {
 public:
  explicit GraphCache(std::size_t capacity) : capacity_(capacity) {}

  /// Null if there is none.
  const Graph* find(Bucket bucket);
  /// Keeps `graph`. The reference is valid until capacity() other buckets were used.
  const Graph& keep(Bucket bucket, std::unique_ptr<Graph> graph);
  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  struct Entry {
    std::unique_ptr<Graph> graph;
    std::list<Bucket>::iterator place;
  };
  std::size_t capacity_;
  std::map<Bucket, Entry> entries_;
  std::list<Bucket> order_;  // the most recently used first
};

/// Throws only DeviceError.
/// Thread: one at a time.
class Lane {
 public:
  Lane(Device& device, const Shape& shape, const DeviceWeights& weights, Bucket bucket_max,
       const EngineOptions& options);
  /// REQUIRES: no pass runs any more.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Captures and runs the likely buckets once, so that no request waits for a capture.
  /// Throws Hung if one pass takes longer than hang_ms. launch() may too, when it captures.
  void warm();
  /// Starts a pass over the slices; the results of the pass before are overwritten. The slices are
  /// read before launch() returns. `call` as in Stream::notify(). REQUIRES: the slices fit into
  /// `bucket_max`.
  void launch(std::span<const Slice> slices, void (*call)(void*), void* argument);
  /// The device's own microseconds of `count` passes over the slices; for reports. Blocks.
  std::vector<float> time(std::span<const Slice> slices, int count);
  /// Whether the pass has finished. Throws its failure.
  bool query() { return stream_->query(); }
  /// The results of the last pass: result_width() numbers a sequence. REQUIRES: it has finished.
  const float* results() const noexcept { return results_; }

  std::uint64_t captures() const noexcept { return captures_; }
  std::size_t bytes() const noexcept { return arena_.bytes(); }

 private:
  Bucket fill(std::span<const Slice> slices);
  void enqueue_all(Bucket bucket);
  void wait();
  const Graph& graph_of(Bucket bucket);

  Device& device_;
  const Shape& shape_;
  const DeviceWeights& weights_;
  Bucket bucket_max_;
  bool graphs_;
  std::chrono::milliseconds hang_;
  Arena arena_;
  std::byte* block_ = nullptr;  // pinned
  float* results_ = nullptr;    // pinned
  std::unique_ptr<Stream> stream_;
  GraphCache cache_;
  std::uint64_t captures_ = 0;
};

}  // namespace memseal::kernels
