#include "adapters/model/cpu/reference_encoder.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace memseal::model {

namespace {

using Floats = std::vector<float>;

// fp32 as stored. Widening the weights would change no result, because each product is computed in
// double.
struct Dense {
  Floats weight, bias;
  explicit Dense(const DenseTensors& from)
      : weight(from.weight->floats()), bias(from.bias->floats()) {}
};

struct Norm {
  Floats gain, bias;
  explicit Norm(const NormTensors& from)
      : gain(from.gain->floats()), bias(from.bias->floats()) {}
};

struct Layer {
  Dense query, key, value, attention_out, intermediate, out;
  Norm attention_norm, out_norm;
  explicit Layer(const LayerTensors& from)
      : query(from.query), key(from.key), value(from.value), attention_out(from.attention_out),
        intermediate(from.intermediate), out(from.out), attention_norm(from.attention_norm),
        out_norm(from.out_norm) {}
};

/// rows x width, row-major.
struct Matrix {
  std::size_t rows, width;
  std::vector<double> values;
  Matrix(std::size_t r, std::size_t w) : rows(r), width(w), values(r * w) {}
  double* row(std::size_t i) { return values.data() + i * width; }
  const double* row(std::size_t i) const { return values.data() + i * width; }
};

// y = x W' + b, with W as PyTorch stores it: [out, in].
Matrix apply(const Dense& dense, const Matrix& x) {
  Matrix y(x.rows, dense.bias.size());
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t o = 0; o < y.width; ++o) {
      double sum = dense.bias[o];
      for (std::size_t k = 0; k < x.width; ++k)
        sum += static_cast<double>(dense.weight[o * x.width + k]) * x.row(i)[k];
      y.row(i)[o] = sum;
    }
  return y;
}

void add(Matrix& x, const Matrix& y) {
  for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
}

// LayerNorm by the biased variance, as PyTorch computes it.
void normalise(Matrix& x, const Norm& norm, double eps) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    double* row = x.row(i);
    double mean = 0, variance = 0;
    for (std::size_t k = 0; k < x.width; ++k) mean += row[k];
    mean /= static_cast<double>(x.width);
    for (std::size_t k = 0; k < x.width; ++k) variance += (row[k] - mean) * (row[k] - mean);
    variance /= static_cast<double>(x.width);
    for (std::size_t k = 0; k < x.width; ++k)
      row[k] = (row[k] - mean) / std::sqrt(variance + eps) * norm.gain[k] + norm.bias[k];
  }
}

Matrix attend(const Matrix& query, const Matrix& key, const Matrix& value, std::size_t heads) {
  const auto length = query.rows, size = query.width / heads;
  Matrix context(length, query.width);
  std::vector<double> weights(length);
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t i = 0; i < length; ++i) {
      // softmax(QK' / sqrt(head size)). Subtracting the greatest keeps exp() from overflowing and
      // cancels out.
      double greatest = -INFINITY, sum = 0;
      for (std::size_t j = 0; j < length; ++j) {
        double dot = 0;
        for (std::size_t d = head * size; d < (head + 1) * size; ++d)
          dot += query.row(i)[d] * key.row(j)[d];
        weights[j] = dot / std::sqrt(static_cast<double>(size));
        greatest = std::max(greatest, weights[j]);
      }
      for (auto& weight : weights) sum += weight = std::exp(weight - greatest);
      for (std::size_t j = 0; j < length; ++j)
        for (std::size_t d = head * size; d < (head + 1) * size; ++d)
          context.row(i)[d] += weights[j] / sum * value.row(j)[d];
    }
  return context;
}

// The oracle of the other backends: each formula as it stands in a book, in double, without blocks,
// packing or tricks that could share a fault with them.
class ReferenceEncoder final : public Encoder {
 public:
  ReferenceEncoder(const BertConfig& config, const BertTensors& tensors)
      : config_(config), words_(tensors.words->floats()), positions_(tensors.positions->floats()),
        types_(tensors.types->floats()), norm_(tensors.norm),
        layers_(tensors.layers.begin(), tensors.layers.end()) {
    if (tensors.pooler.weight == nullptr) return;
    head_.emplace_back(tensors.pooler);
    head_.emplace_back(tensors.classifier);
  }

  std::string_view backend() const noexcept override { return "reference"; }
  std::string_view isa() const noexcept override { return "scalar"; }

  bool embed(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!should_continue()) return false;
      const auto states = forward(batch.tokens(i), batch.segment_b[i]);
      // The mean and the sum have one direction, and the norm removes the length.
      std::vector<double> sum(config_.hidden);
      for (std::size_t t = 0; t < states.rows; ++t)
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += states.row(t)[k];
      double square = 0;
      for (const double value : sum) square += value * value;
      for (std::size_t k = 0; k < sum.size(); ++k)
        out[i * sum.size() + k] = static_cast<float>(sum[k] / std::sqrt(square));
    }
    return true;
  }

  bool score(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    MEMSEAL_ASSERT(head_.size() == 2);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!should_continue()) return false;
      auto first = forward(batch.tokens(i), batch.segment_b[i]);
      // The head reads the state of [CLS] only.
      first.rows = 1;
      first.values.resize(first.width);
      auto pooled = apply(head_[0], first);
      for (auto& value : pooled.values) value = std::tanh(value);
      out[i] = static_cast<float>(apply(head_[1], pooled).values[0]);
    }
    return true;
  }

 private:
  Matrix forward(std::span<const std::int32_t> ids, std::size_t segment_b) const {
    MEMSEAL_ASSERT(ids.size() >= 2 && ids.size() <= config_.positions);
    const auto width = config_.hidden;
    Matrix x(ids.size(), width);
    for (std::size_t t = 0; t < ids.size(); ++t) {
      // The state of a token begins as the sum of three rows: word, position and segment.
      const auto id = static_cast<std::size_t>(ids[t]), type = std::size_t(t >= segment_b);
      MEMSEAL_ASSERT(id < config_.vocabulary && type < config_.token_types);
      for (std::size_t k = 0; k < width; ++k)
        x.row(t)[k] = static_cast<double>(words_[id * width + k]) + positions_[t * width + k] +
                      types_[type * width + k];
    }
    normalise(x, norm_, config_.layer_norm_eps);
    // BERT adds the residual before it normalises (post-norm).
    for (const auto& layer : layers_) {
      add(x, apply(layer.attention_out,
                   attend(apply(layer.query, x), apply(layer.key, x), apply(layer.value, x),
                          config_.heads)));
      normalise(x, layer.attention_norm, config_.layer_norm_eps);
      auto inner = apply(layer.intermediate, x);
      for (auto& value : inner.values)
        // GELU in its exact form. The approximation by tanh would differ by more than fp32 does.
        value = 0.5 * value * (1 + std::erf(value / std::numbers::sqrt2));
      add(x, apply(layer.out, inner));
      normalise(x, layer.out_norm, config_.layer_norm_eps);
    }
    return x;
  }

  BertConfig config_;
  Floats words_, positions_, types_;
  Norm norm_;
  std::vector<Layer> layers_;
  std::vector<Dense> head_;  // Pooler and classifier of a cross-encoder; empty otherwise.
};

}  // namespace

std::unique_ptr<Encoder> make_reference_encoder(const BertConfig& config,
                                                const BertTensors& tensors) {
  return std::make_unique<ReferenceEncoder>(config, tensors);
}

}  // namespace memseal::model
