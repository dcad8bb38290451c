#pragma once
// One stream with memory of its own: what one batch at a time runs in.
#include "forward.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <span>

namespace memseal::kernels {

/// Sequences [first, last) of a batch.
struct Slice {
  const Batch* batch;
  std::size_t first, last;

  std::size_t sequences() const noexcept { return last - first; }
  std::size_t tokens() const noexcept { return batch->starts[last] - batch->starts[first]; }
};

/// Writes what a batch of these slices tells the kernels: `block` holds BlockLayout(bucket).bytes,
/// all of which are written. The bucket holds the slices.
void fill_block(std::byte* block, Bucket bucket, std::span<const Slice> slices);

/// Captured passes by bucket; the one that was not used for longest goes when there are too many.
class GraphCache {
 public:
  explicit GraphCache(std::size_t capacity) : capacity_(capacity) {}

  /// Null when it is not there.
  const Graph* find(Bucket bucket);
  /// Keeps it; the reference lives until capacity() other buckets were used.
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
  std::list<Bucket> order_;  // the latest first
};

/// One thread at a time. What it throws is DeviceError.
class Lane {
 public:
  Lane(Device& device, const Shape& shape, const DeviceWeights& weights, Bucket most,
       const EngineOptions& options);
  /// Nothing of it runs any more.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Captures and runs once what is likely to come, so that no request waits for a capture. Throws
  /// Hung when one pass takes longer than the patience, as launch() may when it captures.
  void warm();
  /// Starts a pass over the slices, which fit into `most`; the results of the one before are gone.
  /// `call` as in Stream::notify(). The slices are read before it returns.
  void launch(std::span<const Slice> slices, void (*call)(void*), void* argument);
  /// Whether the pass has ended. Throws what failed meanwhile.
  bool query() { return stream_->query(); }
  /// The results of the last pass, once it has ended: result_width() numbers a sequence.
  const float* results() const noexcept { return results_; }

  std::uint64_t captures() const noexcept { return captures_; }
  std::size_t bytes() const noexcept { return arena_.bytes(); }

 private:
  void enqueue_all(Bucket bucket);
  void wait();
  const Graph& graph_of(Bucket bucket);

  Device& device_;
  const Shape& shape_;
  const DeviceWeights& weights_;
  Bucket most_;
  bool graphs_;
  std::chrono::milliseconds patience_;
  Arena arena_;
  std::byte* block_ = nullptr;  // pinned
  float* results_ = nullptr;    // pinned
  std::unique_ptr<Stream> stream_;
  GraphCache cache_;
  std::uint64_t captures_ = 0;
};

}  // namespace memseal::kernels
