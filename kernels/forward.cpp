#include "forward.hpp"

#include <algorithm>
#include <bit>

namespace memseal::kernels {

namespace {

constexpr std::size_t alignment = 256;

std::size_t rounded(std::size_t count, std::size_t step) {
  return (count + step - 1) / step * step;
}

/// Hands out aligned pieces of one allocation. Without memory it only counts bytes.
struct Pieces {
  std::byte* memory;
  std::size_t used = 0;

  template <class T>
  T* take(std::size_t count) {
    const auto at = used;
    used += rounded(count * sizeof(T), alignment);
    // One function lays memory out and counts it, so that the two can never differ.
    return memory == nullptr ? nullptr : reinterpret_cast<T*>(memory + at);
  }
};

/// Enqueues the steps of one pass.
struct Pass {
  Stream& stream;
  const Shape& shape;
  const DeviceWeights& weights;
  const Arena& arena;
  Bucket bucket;
  BlockLayout layout{bucket};

  template <class T>
  const T* in_block(std::size_t offset) const {
    return reinterpret_cast<const T*>(arena.block + offset);
  }
  const BatchCounts* counts() const { return in_block<BatchCounts>(layout.counts); }
  const std::int32_t* starts() const { return in_block<std::int32_t>(layout.starts); }

  void look_up() const {
    stream.run(EmbedNorm{.ids = in_block<std::int32_t>(layout.ids),
                         .positions = in_block<std::uint16_t>(layout.positions),
                         .words = weights.words,
                         .places = weights.positions,
                         .types = weights.types,
                         .gain = weights.norm.gain,
                         .bias = weights.norm.bias,
                         .states = arena.states,
                         .rows = bucket.tokens,
                         .hidden = shape.hidden,
                         .eps = shape.layer_norm_eps});
  }

  void multiply(const Half* from, const DeviceDense& dense, Half* to, std::size_t rows,
                std::size_t in, std::size_t out, bool add = false) const {
    stream.run(Gemm{from, dense.weight, dense.bias, to, rows, in, out, add});
  }

  void normalise(Half* x, const DeviceNorm& norm, std::size_t rows) const {
    stream.run(Norm{x, norm.gain, norm.bias, rows, shape.hidden, shape.layer_norm_eps});
  }

  /// The part of a layer after attention. The products add the residual themselves.
  void feed_forward(const DeviceLayer& layer, Half* states, const Half* context,
                    std::size_t rows) const {
    const auto hidden = shape.hidden, inner = shape.intermediate;
    multiply(context, layer.attention_out, states, rows, hidden, hidden, true);
    normalise(states, layer.attention_norm, rows);
    multiply(states, layer.intermediate, arena.inner, rows, hidden, inner);
    stream.run(Gelu{arena.inner, rows * inner});
    multiply(arena.inner, layer.out, states, rows, inner, hidden, true);
    normalise(states, layer.out_norm, rows);
  }

  void whole_layer(const DeviceLayer& layer) const {
    const auto hidden = shape.hidden;
    multiply(arena.states, layer.fused, arena.fused, bucket.tokens, hidden, 3 * hidden);
    stream.run(Attend{.fused = arena.fused,
                      .starts = starts(),
                      .tiles = in_block<std::int32_t>(layout.tiles),
                      .counts = counts(),
                      .context = arena.context,
                      .tiles_max = bucket.tiles(),
                      .heads = shape.heads,
                      .head_size = shape.head_size()});
    feed_forward(layer, arena.states, arena.context, bucket.tokens);
  }

  /// A cross-encoder's last layer. Only [CLS] rows are read afterwards, so all but keys and values
  /// is computed for them alone.
  void last_layer(const DeviceLayer& layer) const {
    const auto hidden = shape.hidden, square = hidden * hidden;
    // The fused weight is query, key and value one below the other, so key and value alone are its
    // last two thirds.
    const DeviceDense key_value{layer.fused.weight + square, layer.fused.bias + hidden};
    multiply(arena.states, key_value, arena.fused, bucket.tokens, hidden, 2 * hidden);
    stream.run(TakeFirst{arena.states, starts(), counts(), arena.first, bucket.sequences, hidden});
    multiply(arena.first, layer.fused, arena.query, bucket.sequences, hidden, hidden);
    stream.run(AttendFirst{.query = arena.query,
                           .fused = arena.fused,
                           .starts = starts(),
                           .counts = counts(),
                           .context = arena.first_context,
                           .sequences = bucket.sequences,
                           .heads = shape.heads,
                           .head_size = shape.head_size()});
    feed_forward(layer, arena.first, arena.first_context, bucket.sequences);
  }

  void score() const {
    stream.run(ScoreHead{.first = arena.first,
                         .pooler = weights.pooler,
                         .pooler_bias = weights.pooler_bias,
                         .classifier = weights.classifier,
                         .classifier_bias = weights.classifier_bias,
                         .counts = counts(),
                         .logits = arena.results,
                         .sequences = bucket.sequences,
                         .hidden = shape.hidden});
  }

  void mean() const {
    stream.run(
        MeanHead{arena.states, starts(), counts(), arena.results, bucket.sequences, shape.hidden});
  }
};

/// A stream that runs nothing, and lets the device choose an algorithm for each product.
class Chooser final : public Stream {
 public:
  explicit Chooser(Device& device) : device_(device) {}
  void run(const Gemm& work) override { device_.choose(work); }
  void copy_in(void*, const void*, std::size_t) override {}
  void copy_out(void*, const void*, std::size_t) override {}
  void run(const EmbedNorm&) override {}
  void run(const Attend&) override {}
  void run(const Norm&) override {}
  void run(const Gelu&) override {}
  void run(const TakeFirst&) override {}
  void run(const AttendFirst&) override {}
  void run(const ScoreHead&) override {}
  void run(const MeanHead&) override {}
  void begin_capture() override {}
  std::unique_ptr<Graph> end_capture() override { return nullptr; }
  void abandon_capture() noexcept override {}
  void launch(const Graph&) override {}
  void notify(void (*)(void*), void*) override {}
  bool query() override { return true; }
  void wait() override {}

 private:
  Device& device_;
};

}  // namespace

Bucket bucket_of(std::size_t tokens, std::size_t sequences) {
  // A graph is captured for each bucket. Steps that grow with the size keep the padding below an
  // eighth where it matters and the number of graphs small.
  const std::size_t step = tokens <= 2'048   ? 128
                           : tokens <= 4'096 ? 256
                           : tokens <= 8'192 ? 512
                                             : 1'024;
  const auto usual = std::find_if(usual_sequences.begin(), usual_sequences.end(),
                                  [=](std::size_t count) { return sequences <= count; });
  return {rounded(std::max<std::size_t>(tokens, 1), step),
          usual != usual_sequences.end() ? *usual : std::bit_ceil(sequences)};
}

BlockLayout::BlockLayout(Bucket bucket) noexcept {
  const auto after = [](std::size_t offset, std::size_t length) {
    // Kernels read the block by vectors of 16 bytes.
    return rounded(offset + length, 16);
  };
  counts = 0;
  starts = after(counts, sizeof(BatchCounts));
  tiles = after(starts, (bucket.sequences + 1) * sizeof(std::int32_t));
  ids = after(tiles, bucket.tiles() * sizeof(std::int32_t));
  positions = after(ids, bucket.tokens * sizeof(std::int32_t));
  bytes = after(positions, bucket.tokens * sizeof(std::uint16_t));
}

std::size_t result_width(const Shape& shape) noexcept {
  return shape.cross_encoder ? 1 : shape.hidden;
}

Arena::Arena(Device& device, const Shape& shape, Bucket bucket_max) : device_(device) {
  const auto lay_out = [&](std::byte* memory) {
    Pieces pieces{memory};
    block = pieces.take<std::byte>(BlockLayout(bucket_max).bytes);
    states = pieces.take<Half>(bucket_max.tokens * shape.hidden);
    fused = pieces.take<Half>(bucket_max.tokens * 3 * shape.hidden);
    context = pieces.take<Half>(bucket_max.tokens * shape.hidden);
    inner =
        // The last layer of a cross-encoder has a row for each sequence, and a batch of many short
        // ones is padded to more sequences than tokens.
        pieces.take<Half>(std::max(bucket_max.tokens, bucket_max.sequences) * shape.intermediate);
    const auto firsts = shape.cross_encoder ? bucket_max.sequences * shape.hidden : 0;
    first = pieces.take<Half>(firsts);
    query = pieces.take<Half>(firsts);
    first_context = pieces.take<Half>(firsts);
    results = pieces.take<float>(bucket_max.sequences * result_width(shape));
    return pieces.used;
  };
  bytes_ = lay_out(nullptr);
  memory_ = static_cast<std::byte*>(device.allocate(bytes_));
  lay_out(memory_);
}

Arena::~Arena() { device_.release(memory_); }

void enqueue(Stream& stream, const Shape& shape, const DeviceWeights& weights, const Arena& arena,
             Bucket bucket) {
  const Pass pass{stream, shape, weights, arena, bucket};
  pass.look_up();
  const auto whole = shape.layers - (shape.cross_encoder ? 1 : 0);
  for (std::size_t i = 0; i < whole; ++i) pass.whole_layer(weights.layers[i]);
  if (shape.cross_encoder) {
    pass.last_layer(weights.layers.back());
    pass.score();
  } else {
    pass.mean();
  }
}

void choose_products(Device& device, const Shape& shape, const DeviceWeights& weights,
                     const Arena& arena, Bucket bucket) {
  Chooser chooser(device);
  enqueue(chooser, shape, weights, arena, bucket);
}

}  // namespace memseal::kernels
