#include "lane.hpp"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>

namespace memseal::kernels {

namespace {

// The buckets that warm() captures, and room for others that traffic brings.
constexpr std::size_t graphs_kept = 256;
constexpr std::chrono::milliseconds check_interval(20);
constexpr auto type_one = static_cast<std::int32_t>(0x80000000u);

}  // namespace

void fill_block(std::byte* block, Bucket bucket, std::span<const Slice> slices) {
  const BlockLayout layout(bucket);
  // The padding too. What an earlier batch left there would be computed with, and might be
  // infinite.
  std::memset(block, 0, layout.bytes);
  auto* const starts = reinterpret_cast<std::int32_t*>(block + layout.starts);
  auto* const tiles = reinterpret_cast<std::int32_t*>(block + layout.tiles);
  auto* const ids = reinterpret_cast<std::int32_t*>(block + layout.ids);
  auto* const positions = reinterpret_cast<std::uint16_t*>(block + layout.positions);
  BatchCounts counts;
  for (const auto& slice : slices) {
    for (auto i = slice.first; i < slice.last; ++i) {
      const auto length = slice.batch->length(i), second = slice.batch->segment_b[i];
      const auto* const from = slice.batch->ids.data() + slice.batch->starts[i];
      for (std::size_t t = 0; t < length; ++t) {
        // The type of a token takes the top bit of its id: one array to copy and to read instead of
        // two.
        ids[counts.tokens] = t < second ? from[t] : from[t] | type_one;
        positions[counts.tokens++] = static_cast<std::uint16_t>(t);
      }
      for (std::size_t tile = 0; tile * tile_rows < length; ++tile)
        // One entry for each block of the attention kernel, so that short sequences start no blocks
        // in vain.
        tiles[counts.tiles++] = counts.sequences << 16 | static_cast<std::int32_t>(tile);
      starts[++counts.sequences] = counts.tokens;
    }
  }
  assert(static_cast<std::size_t>(counts.tokens) <= bucket.tokens);
  assert(static_cast<std::size_t>(counts.sequences) <= bucket.sequences);
  std::memcpy(block + layout.counts, &counts, sizeof counts);
}

const Graph* GraphCache::find(Bucket bucket) {
  const auto found = entries_.find(bucket);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return found->second.graph.get();
}

const Graph& GraphCache::keep(Bucket bucket, std::unique_ptr<Graph> graph) {
  if (entries_.size() >= capacity_) {
    // The one used least recently: traffic has few sizes at a time, and a graph holds memory of the
    // device.
    entries_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(bucket);
  auto& entry = entries_[bucket];
  entry = {std::move(graph), order_.begin()};
  return *entry.graph;
}

Lane::Lane(Device& device, const Shape& shape, const DeviceWeights& weights, Bucket bucket_max,
           const EngineOptions& options)
    : device_(device),
      shape_(shape),
      weights_(weights),
      bucket_max_(bucket_max),
      graphs_(options.graphs),
      hang_(options.hang_ms),
      arena_(device, shape, bucket_max),
      cache_(graphs_kept) {
  try {
    block_ = static_cast<std::byte*>(device.allocate_pinned(BlockLayout(bucket_max).bytes));
    results_ = static_cast<float*>(
        device.allocate_pinned(bucket_max.sequences * result_width(shape) * sizeof(float)));
    stream_ = device.make_stream();
  } catch (...) {
    device.release_pinned(results_);
    device.release_pinned(block_);
    throw;
  }
}

Lane::~Lane() {
  cache_ = GraphCache(0);  // graphs must not outlive their stream
  stream_.reset();
  device_.release_pinned(results_);
  device_.release_pinned(block_);
}

void Lane::enqueue_all(Bucket bucket) {
  stream_->copy_in(arena_.block, block_, BlockLayout(bucket).bytes);
  enqueue(*stream_, shape_, weights_, arena_, bucket);
  stream_->copy_out(results_, arena_.results,
                    bucket.sequences * result_width(shape_) * sizeof(float));
}

/// Waits for the enqueued work, at most hang_. Sleeps on a callback, because polling the device
/// would keep a core busy.
void Lane::wait() {
  struct Completion {
    std::mutex guard;
    std::condition_variable changed;
    bool reached = false;
  };
  auto completion = std::make_unique<Completion>();
  stream_->notify(
      [](void* argument) {
        auto& one = *static_cast<Completion*>(argument);
        const std::lock_guard lock(one.guard);
        one.reached = true;
        one.changed.notify_all();
      },
      completion.get());
  const auto until = std::chrono::steady_clock::now() + hang_;
  std::unique_lock lock(completion->guard);
  try {
    while (
        !completion->changed.wait_for(lock, check_interval, [&] { return completion->reached; })) {
      // Without the lock: the callback may wait for it, and the driver for the callback.
      lock.unlock();
      static_cast<void>(stream_->query());  // throws: a broken device never calls back
      lock.lock();
      if (!completion->reached && std::chrono::steady_clock::now() > until)
        throw Hung(Fault::lost,
                   "the GPU did not finish a batch in " + std::to_string(hang_.count()) + " ms");
    }
  } catch (...) {
    if (lock) lock.unlock();
    // Never freed, because the callback may still come.
    static std::mutex guard;
    static auto& kept = *new std::vector<std::unique_ptr<Completion>>();
    const std::lock_guard keeping(guard);
    kept.push_back(std::move(completion));
    throw;
  }
}

const Graph& Lane::graph_of(Bucket bucket) {
  if (const auto* known = cache_.find(bucket)) return *known;
  choose_products(device_, shape_, weights_, arena_, bucket);
  if (captures_ == 0) {  // Run once first: CUDA loads kernels lazily, and cannot during a capture.
    enqueue_all(bucket);
    wait();
  }
  stream_->begin_capture();
  std::unique_ptr<Graph> graph;
  try {
    enqueue_all(bucket);
    graph = stream_->end_capture();
  } catch (...) {
    // Here, because only the thread that began a capture can end it, and because a thread with an
    // open capture can neither allocate nor wait: the next engine could not be made on it.
    stream_->abandon_capture();
    throw;
  }
  ++captures_;
  return cache_.keep(bucket, std::move(graph));
}

void Lane::warm() {
  for (const auto count : usual_sequences) {
    if (count > bucket_max_.sequences) break;
    const auto tokens_max = std::min(bucket_max_.tokens, count * shape_.positions);
    for (std::size_t tokens = 1; tokens <= tokens_max;) {
      const auto bucket = bucket_of(tokens, count);
      fill_block(block_, bucket, {});
      if (graphs_) {
        stream_->launch(graph_of(bucket));
      } else {
        choose_products(device_, shape_, weights_, arena_, bucket);
        enqueue_all(bucket);
      }
      wait();
      tokens = bucket.tokens + 1;
    }
  }
}

/// Writes the inputs of a pass over the slices, and returns the bucket that it runs in.
Bucket Lane::fill(std::span<const Slice> slices) {
  std::size_t tokens = 0, sequences = 0;
  for (const auto& slice : slices) {
    tokens += slice.tokens();
    sequences += slice.sequences();
  }
  const auto bucket = bucket_of(tokens, sequences);
  assert(bucket.tokens <= bucket_max_.tokens && bucket.sequences <= bucket_max_.sequences);
  fill_block(block_, bucket, slices);
  return bucket;
}

void Lane::launch(std::span<const Slice> slices, void (*call)(void*), void* argument) {
  const auto bucket = fill(slices);
  if (graphs_) {
    stream_->launch(graph_of(bucket));
  } else {
    choose_products(device_, shape_, weights_, arena_, bucket);
    enqueue_all(bucket);
  }
  stream_->notify(call, argument);
}

std::vector<float> Lane::time(std::span<const Slice> slices, int count) {
  return stream_->time(graph_of(fill(slices)), count);
}

}  // namespace memseal::kernels
