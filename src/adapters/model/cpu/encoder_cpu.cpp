#include "adapters/model/cpu/encoder_cpu.hpp"

#include "adapters/model/cpu/buffer.hpp"
#include "adapters/model/cpu/linear.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

// From the OpenMP library that oneDNN links. Declared here, because only one compiler has its
// header.
extern "C" void omp_set_num_threads(int threads);

namespace memseal::model {

namespace {

using Floats = std::vector<float>;

// Tokens that go through all layers together: few enough for the second-level cache, many enough
// that the cost of reading the weights does not matter.
constexpr std::size_t group_tokens = 256;
// Rows of the word table lie anywhere in a large file, so they are prefetched this far ahead.
constexpr std::size_t rows_ahead = 4;

struct Norm {
  Floats gain, bias;
  explicit Norm(const NormTensors& from)
      : gain(from.gain->floats()), bias(from.bias->floats()) {}
};

struct Shapes {
  std::shared_ptr<const LinearShape> fused, square, in, out;
  HugePages& pages;
};

struct Layer {
  Linear fused, attention_out, intermediate, out;   // fused: query, key, value side by side
  Norm attention_norm, out_norm;
  Layer(const LayerTensors& from, const Shapes& shapes)
      : fused(shapes.fused, {from.query, from.key, from.value}, shapes.pages),
        attention_out(shapes.square, {from.attention_out}, shapes.pages),
        intermediate(shapes.in, {from.intermediate}, shapes.pages),
        out(shapes.out, {from.out}, shapes.pages),
        attention_norm(from.attention_norm), out_norm(from.out_norm) {}
};

/// A cross-encoder's last layer and head.
// The logit depends on the first state only. The last layer therefore needs keys and values of all
// tokens, and everything else of one token a sequence.
struct Last {
  Linear key_value, query, attention_out, intermediate, out, pooler;
  Norm attention_norm, out_norm;
  Floats classifier;
  float classifier_bias;
  // `pair` makes keys and values of all tokens. What follows has one row a sequence: next to no
  // work.
  Last(const LayerTensors& from, const BertTensors& all, const Shapes& shapes,
       std::shared_ptr<const LinearShape> pair)
      : key_value(std::move(pair), {from.key, from.value}, shapes.pages),
        query(shapes.square, {from.query}, shapes.pages),
        attention_out(shapes.square, {from.attention_out}, shapes.pages),
        intermediate(shapes.in, {from.intermediate}, shapes.pages),
        out(shapes.out, {from.out}, shapes.pages),
        pooler(shapes.square, {all.pooler}, shapes.pages), attention_norm(from.attention_norm),
        out_norm(from.out_norm), classifier(all.classifier.weight->floats()),
        classifier_bias(all.classifier.bias->floats()[0]) {}
};

/// One thread's working memory.
struct Arena {
  // [tokens, hidden] each, but fused [tokens, 3 hidden], inner [rows_block, intermediate].
  LinearScratch linear;
  Buffer states, fused, context, inner, scratch;
  Arena(const dnnl::engine& engine, std::size_t tokens, const BertConfig& config)
      : linear(engine),
        states(tokens * config.hidden),
        fused(tokens * 3 * config.hidden),
        context(tokens * config.hidden),
        inner(rows_block * config.intermediate),
        scratch(std::max(attention_scratch(tokens, config.head_size()), tokens * config.hidden)) {}
};

class CpuEncoder final : public Encoder {
 public:
  CpuEncoder(const BertConfig& config, const BertTensors& tensors, const VectorOps& ops,
             Precision precision, const Int8Ops* int8);

  std::string_view backend() const noexcept override { return "cpu"; }
  std::string_view isa() const noexcept override { return isa_; }
  bool embed(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override;
  bool score(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override;

 private:
  struct Group {
    std::size_t first, last;   // sequences [first, last)
  };

  std::unique_ptr<Arena> take_arena() const;
  void give_back(std::unique_ptr<Arena> arena) const;
  Group next_group(const PackedBatch& batch, std::size_t first) const;
  void fetch_word(std::int32_t token) const;
  void look_up(const PackedBatch& batch, Group group, Arena& arena) const;
  bool run_layers(const PackedBatch& batch, Group group, const ShouldContinue& should_continue,
                  Arena& arena) const;
  void run_layer(const Layer& layer, const PackedBatch& batch, Group group, Arena& arena) const;
  void attend_first(const PackedBatch& batch, Group group, Arena& arena, float* states,
                    float* context) const;
  void finish(float* states, float* context, std::size_t rows, Arena& arena,
              std::span<float> out) const;
  template <class Part>
  void feed_forward(const Part& layer, float* states, const float* context, std::size_t rows,
                    Arena& arena) const;
  void add_norm(float* x, const float* y, const Norm& norm, std::size_t rows) const {
    ops_.add_norm(x, y, norm.gain.data(), norm.bias.data(),
                  static_cast<float>(config_.layer_norm_eps), rows, config_.hidden);
  }

  BertConfig config_;
  const VectorOps& ops_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  HugePages pages_;
  Tensor words_;
  Floats positions_, types_;
  Norm norm_;
  std::vector<Layer> layers_;
  std::unique_ptr<Last> last_;
  std::size_t arena_tokens_;
  std::string isa_;
  mutable std::mutex guard_;
  mutable std::vector<std::unique_ptr<Arena>> idle_;
};

CpuEncoder::CpuEncoder(const BertConfig& config, const BertTensors& tensors, const VectorOps& ops,
                       Precision precision, const Int8Ops* int8)
    : config_(config),
      ops_(ops),
      words_(*tensors.words),
      positions_(tensors.positions->floats()),
      types_(tensors.types->floats()),
      norm_(tensors.norm),
      arena_tokens_(rows_padded(std::max(group_tokens, config.positions))) {
  omp_set_num_threads(1);
  const auto hidden = config.hidden;
  const auto shape = [&](std::size_t in, std::size_t out, Precision as) {
    return std::make_shared<const LinearShape>(engine_, in, out, as, int8);
  };
  const auto shapes_in = [&](Precision as) {
    return Shapes{shape(hidden, 3 * hidden, as), shape(hidden, hidden, as),
                  shape(hidden, config.intermediate, as), shape(config.intermediate, hidden, as),
                  pages_};
  };
  const auto shapes = shapes_in(precision);
  const bool cross = config.architecture == Architecture::cross_encoder;
  // The last layer of a cross-encoder is `last_`, in another form.
  for (std::size_t i = 0; i + (cross ? 1 : 0) < config.layers; ++i)
    layers_.emplace_back(tensors.layers[i], shapes);
  if (cross)
    // In 8 bits the head would lose more than it saves, because it has one row a sequence.
    last_ =
        std::make_unique<Last>(tensors.layers.back(), tensors,
                               precision == Precision::int8 ? shapes_in(Precision::fp32) : shapes,
                               shape(hidden, 2 * hidden, precision));
  isa_ = std::string(ops.isa) + (precision == Precision::int8 ? " + " : " + oneDNN ") +
         std::string(shapes.square->implementation()) +
         (precision == Precision::bf16   ? " bf16"
          : precision == Precision::int8 ? " int8"
                                         : "");
}

// Arenas are reused, because making one allocates megabytes and builds oneDNN's arguments again.
// There are never more of them than threads that compute at once.
std::unique_ptr<Arena> CpuEncoder::take_arena() const {
  // For each thread, because oneDNN would otherwise start a team of spinning threads here.
  omp_set_num_threads(1);
  {
    const std::lock_guard lock(guard_);
    if (!idle_.empty()) {
      auto arena = std::move(idle_.back());
      idle_.pop_back();
      return arena;
    }
  }
  return std::make_unique<Arena>(engine_, arena_tokens_, config_);
}

void CpuEncoder::give_back(std::unique_ptr<Arena> arena) const {
  const std::lock_guard lock(guard_);
  idle_.push_back(std::move(arena));
}

// A sequence longer than group_tokens is a group by itself; an arena has room for the longest one.
CpuEncoder::Group CpuEncoder::next_group(const PackedBatch& batch, std::size_t first) const {
  std::size_t last = first + 1;
  while (last < batch.size() && batch.starts[last + 1] - batch.starts[first] <= group_tokens)
    ++last;
  return {first, last};
}

void CpuEncoder::fetch_word(std::int32_t token) const {
  const auto id = static_cast<std::size_t>(token);
  if (id >= config_.vocabulary) return;  // look_up() asserts on the id when it reads the row.
  const auto row = words_.bytes.size() / config_.vocabulary;
  for (std::size_t at = 0; at < row; at += 64)
    __builtin_prefetch(words_.bytes.data() + id * row + at);
}

void CpuEncoder::look_up(const PackedBatch& batch, Group group, Arena& arena) const {
  const auto hidden = config_.hidden;
  float* state = arena.states.get();
  for (auto i = group.first; i < group.last; ++i) {
    const auto tokens = batch.tokens(i);
    MEMSEAL_ASSERT(tokens.size() >= 2 && tokens.size() <= config_.positions);
    for (std::size_t t = 0; t < tokens.size(); ++t, state += hidden) {
      if (t + rows_ahead < tokens.size()) fetch_word(tokens[t + rows_ahead]);
      const auto id = static_cast<std::size_t>(tokens[t]);
      const auto type = std::size_t(t >= batch.segment_b[i]);
      MEMSEAL_ASSERT(id < config_.vocabulary && type < config_.token_types);
      words_.read(id * hidden, {state, hidden});
      const float* position = positions_.data() + t * hidden;
      const float* kind = types_.data() + type * hidden;
      for (std::size_t k = 0; k < hidden; ++k) state[k] += position[k] + kind[k];
    }
  }
  const auto rows = batch.starts[group.last] - batch.starts[group.first];
  // Norm over the whole group at once; there is no residual to add yet.
  add_norm(arena.states.get(), nullptr, norm_, rows);
}

bool CpuEncoder::run_layers(const PackedBatch& batch, Group group,
                            const ShouldContinue& should_continue, Arena& arena) const {
  look_up(batch, group, arena);
  for (const auto& layer : layers_) {
    if (!should_continue()) return false;
    run_layer(layer, batch, group, arena);
  }
  // Asked after the last layer too, because the caller may have left meanwhile.
  return should_continue();
}

void CpuEncoder::run_layer(const Layer& layer, const PackedBatch& batch, Group group,
                           Arena& arena) const {
  const auto hidden = config_.hidden;
  const auto origin = batch.starts[group.first], rows = batch.starts[group.last] - origin;
  layer.fused.apply(arena.linear, arena.states.get(), rows, arena.fused.get());
  // The dense layers take all tokens of the group together. Attention goes sequence by sequence,
  // because no token may see another sequence.
  for (auto i = group.first; i < group.last; ++i) {
    const auto at = batch.starts[i] - origin;
    // A row of `fused` holds query, key and value side by side, each `hidden` wide.
    const float* const query = arena.fused.get() + at * 3 * hidden;
    ops_.attend({.query = query,
                 .key = query + hidden,
                 .value = query + 2 * hidden,
                 .query_stride = 3 * hidden,
                 .key_stride = 3 * hidden,
                 .queries = batch.length(i),
                 .keys = batch.length(i),
                 .heads = config_.heads,
                 .head_size = config_.head_size(),
                 .out = arena.context.get() + at * hidden,
                 .out_stride = hidden,
                 .scratch = arena.scratch.get()});
  }
  feed_forward(layer, arena.states.get(), arena.context.get(), rows, arena);
}

// The second half of a layer, in blocks of rows that stay in the cache from start to end.
template <class Part>
void CpuEncoder::feed_forward(const Part& layer, float* states, const float* context,
                              std::size_t rows, Arena& arena) const {
  const auto hidden = config_.hidden;
  float* const inner = arena.inner.get();
  float* const scratch = arena.scratch.get();
  for (std::size_t first = 0; first < rows; first += rows_block) {
    const auto here = std::min(rows_block, rows - first);
    float* const x = states + first * hidden;
    layer.attention_out.apply(arena.linear, context + first * hidden, here, scratch);
    add_norm(x, scratch, layer.attention_norm, here);
    layer.intermediate.apply(arena.linear, x, here, inner);
    ops_.gelu(inner, here * config_.intermediate);
    layer.out.apply(arena.linear, inner, here, scratch);
    add_norm(x, scratch, layer.out_norm, here);
  }
}

bool CpuEncoder::embed(const PackedBatch& batch, const ShouldContinue& should_continue,
                       std::span<float> out) const {
  const auto hidden = config_.hidden;
  MEMSEAL_ASSERT(last_ == nullptr && out.size() == batch.size() * hidden);
  auto arena = take_arena();
  bool done = true;
  for (std::size_t i = 0; i < batch.size() && done;) {
    const auto group = next_group(batch, i);
    done = run_layers(batch, group, should_continue, *arena);
    const float* state = arena->states.get();
    for (; i < group.last; ++i) {
      const auto sum = out.subspan(i * hidden, hidden);
      std::fill(sum.begin(), sum.end(), 0.0f);
      for (std::size_t t = 0; t < batch.length(i); ++t, state += hidden)
        for (std::size_t k = 0; k < hidden; ++k) sum[k] += state[k];
      // The sum has the direction of the mean, and the norm below removes the length, so there is
      // no division by the number of tokens.
      double square = 0;
      for (const float value : sum) square += static_cast<double>(value) * value;
      // The bound keeps a zero vector from becoming NaN.
      const auto scale = static_cast<float>(1 / std::sqrt(std::max(square, 1e-24)));
      for (auto& value : sum) value *= scale;
    }
  }
  give_back(std::move(arena));
  return done;
}

// Keys and values of all tokens, but queries of the first token of each sequence only, because the
// head reads no other state.
void CpuEncoder::attend_first(const PackedBatch& batch, Group group, Arena& arena, float* states,
                              float* context) const {
  const auto hidden = config_.hidden;
  const auto origin = batch.starts[group.first], rows = batch.starts[group.last] - origin;
  last_->key_value.apply(arena.linear, arena.states.get(), rows, arena.fused.get());
  for (auto i = group.first; i < group.last; ++i)
    std::copy_n(arena.states.get() + (batch.starts[i] - origin) * hidden, hidden,
                states + i * hidden);
  const auto count = group.last - group.first;
  // The product reads rows up to the next multiple of rows_step, which may lie beyond the end of
  // `states`. The arena has room for them.
  std::copy_n(states + group.first * hidden, count * hidden, arena.states.get());
  last_->query.apply(arena.linear, arena.states.get(), count, arena.context.get());
  for (auto i = group.first; i < group.last; ++i) {
    const float* const key = arena.fused.get() + (batch.starts[i] - origin) * 2 * hidden;
    ops_.attend({.query = arena.context.get() + (i - group.first) * hidden,
                 .key = key,
                 .value = key + hidden,
                 .query_stride = hidden,
                 .key_stride = 2 * hidden,
                 .queries = 1,
                 .keys = batch.length(i),
                 .heads = config_.heads,
                 .head_size = config_.head_size(),
                 .out = context + i * hidden,
                 .out_stride = hidden,
                 .scratch = arena.scratch.get()});
  }
}

bool CpuEncoder::score(const PackedBatch& batch, const ShouldContinue& should_continue,
                       std::span<float> out) const {
  const auto hidden = config_.hidden;
  MEMSEAL_ASSERT(last_ != nullptr && out.size() == batch.size());
  auto arena = take_arena();
  const Buffer states(rows_padded(batch.size()) * hidden);
  const Buffer context(rows_padded(batch.size()) * hidden);
  bool done = true;
  for (std::size_t i = 0; i < batch.size() && done;) {
    const auto group = next_group(batch, i);
    done = run_layers(batch, group, should_continue, *arena);
    if (done) attend_first(batch, group, *arena, states.get(), context.get());
    i = group.last;
  }
  // Once for the whole batch, because doing this for each group would read all weights again.
  if (done) finish(states.get(), context.get(), batch.size(), *arena, out);
  give_back(std::move(arena));
  return done;
}

void CpuEncoder::finish(float* states, float* context, std::size_t rows, Arena& arena,
                        std::span<float> out) const {
  const auto hidden = config_.hidden;
  feed_forward(*last_, states, context, rows, arena);
  last_->pooler.apply(arena.linear, states, rows, context);
  for (std::size_t i = 0; i < rows; ++i) {
    // In double: the sum runs over all of the width, and ranks depend on small differences.
    double logit = last_->classifier_bias;
    for (std::size_t k = 0; k < hidden; ++k)
      logit += static_cast<double>(std::tanh(context[i * hidden + k])) * last_->classifier[k];
    out[i] = static_cast<float>(logit);
  }
}

}  // namespace

std::unique_ptr<Encoder> make_cpu_encoder(const BertConfig& config, const BertTensors& tensors,
                                          const VectorOps& ops, Precision precision,
                                          const Int8Ops* int8) {
  return std::make_unique<CpuEncoder>(config, tensors, ops, precision, int8);
}

}  // namespace memseal::model
