#pragma once
// A BERT in double precision, written from its formulas alone: the oracle of the pass.
#include "device_rig.hpp"

#include <cmath>
#include <map>
#include <utility>

namespace memseal::kernels {

/// Random weights, already rounded to fp16 where a device keeps them so.
class RandomBert {
 public:
  explicit RandomBert(const Shape& of, unsigned seed = 1) : shape(of), random_(seed) {
    const auto hidden = of.hidden, inner = of.intermediate;
    table(Part::words, 0, of.vocabulary * hidden, 0.5f);
    table(Part::positions, 0, of.positions * hidden, 0.2f);
    table(Part::types, 0, of.token_types * hidden, 0.2f);
    norm(Part::norm_gain, Part::norm_bias, 0);
    for (std::size_t i = 0; i < of.layers; ++i) {
      dense(Part::query, Part::query_bias, i, hidden, hidden, 1);
      dense(Part::key, Part::key_bias, i, hidden, hidden, 1);
      dense(Part::value, Part::value_bias, i, hidden, hidden, 1);
      dense(Part::attention_out, Part::attention_out_bias, i, hidden, hidden, 1);
      dense(Part::intermediate, Part::intermediate_bias, i, hidden, inner, 1);
      dense(Part::out, Part::out_bias, i, inner, hidden, 1);
      norm(Part::attention_norm_gain, Part::attention_norm_bias, i);
      norm(Part::out_norm_gain, Part::out_norm_bias, i);
    }
    dense(Part::pooler, Part::pooler_bias, 0, hidden, hidden, 1);
    table(Part::classifier, 0, hidden, 1);
    table(Part::classifier_bias, 0, 1, 1);
  }

  ReadPart reader() const {
    return [this](Part part, std::size_t layer) { return parts_.at({part, layer}); };
  }

  /// Logits, or vectors of L2 norm 1, of every sequence.
  std::vector<float> run(const Batch& batch) const {
    std::vector<float> all;
    for (std::size_t i = 0; i < batch.size(); ++i)
      for (const double value : run_one(batch, i)) all.push_back(static_cast<float>(value));
    return all;
  }

  const Shape shape;

 private:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;

  std::vector<float>& table(Part part, std::size_t layer, std::size_t count, float scale,
                            float offset = 0) {
    auto& values = parts_[{part, layer}];
    for (std::size_t i = 0; i < count; ++i)
      values.push_back(to_float(to_half(offset + random_.normal(scale))));
    return values;
  }
  void dense(Part weight, Part bias, std::size_t layer, std::size_t in, std::size_t out,
             float scale) {
    table(weight, layer, in * out, scale / std::sqrt(static_cast<float>(in)));
    table(bias, layer, out, 0.1f);
  }
  void norm(Part gain, Part bias, std::size_t layer) {
    table(gain, layer, shape.hidden, 0.1f, 1);
    table(bias, layer, shape.hidden, 0.1f);
  }

  const std::vector<float>& part(Part which, std::size_t layer = 0) const {
    return parts_.at({which, layer});
  }

  Row apply(const Row& x, Part weight, Part bias, std::size_t layer) const {
    const auto& w = part(weight, layer);
    const auto& b = part(bias, layer);
    Row y(b.begin(), b.end());
    for (std::size_t o = 0; o < y.size(); ++o)
      for (std::size_t k = 0; k < x.size(); ++k) y[o] += x[k] * w[o * x.size() + k];
    return y;
  }

  void normalise(Row& x, Part gain, Part bias, std::size_t layer) const {
    double mean = 0, square = 0;
    for (const double value : x) mean += value / static_cast<double>(x.size());
    for (const double value : x)
      square += (value - mean) * (value - mean) / static_cast<double>(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = (x[i] - mean) / std::sqrt(square + shape.layer_norm_eps) * part(gain, layer)[i] +
             part(bias, layer)[i];
  }

  Rows attend(const Rows& states, std::size_t layer) const {
    const auto size = shape.head_size();
    Rows query, key, value, context(states.size(), Row(shape.hidden));
    for (const auto& state : states) {
      query.push_back(apply(state, Part::query, Part::query_bias, layer));
      key.push_back(apply(state, Part::key, Part::key_bias, layer));
      value.push_back(apply(state, Part::value, Part::value_bias, layer));
    }
    for (std::size_t head = 0; head < shape.hidden; head += size)
      for (std::size_t q = 0; q < states.size(); ++q) {
        Row weights(states.size());
        double total = 0;
        for (std::size_t k = 0; k < states.size(); ++k) {
          for (std::size_t d = head; d < head + size; ++d) weights[k] += query[q][d] * key[k][d];
          total += weights[k] = std::exp(weights[k] / std::sqrt(static_cast<double>(size)));
        }
        for (std::size_t k = 0; k < states.size(); ++k)
          for (std::size_t d = head; d < head + size; ++d)
            context[q][d] += weights[k] / total * value[k][d];
      }
    return context;
  }

  void run_layer(Rows& states, std::size_t layer) const {
    const auto context = attend(states, layer);
    for (std::size_t t = 0; t < states.size(); ++t) {
      auto& x = states[t];
      const auto out = apply(context[t], Part::attention_out, Part::attention_out_bias, layer);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += out[i];
      normalise(x, Part::attention_norm_gain, Part::attention_norm_bias, layer);
      auto inner = apply(x, Part::intermediate, Part::intermediate_bias, layer);
      for (auto& value : inner) value = value / 2 * (1 + std::erf(value / std::sqrt(2.0)));
      const auto last = apply(inner, Part::out, Part::out_bias, layer);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += last[i];
      normalise(x, Part::out_norm_gain, Part::out_norm_bias, layer);
    }
  }

  Row run_one(const Batch& batch, std::size_t i) const {
    const auto hidden = shape.hidden;
    Rows states;
    for (std::size_t t = 0; t < batch.length(i); ++t) {
      const auto id = static_cast<std::size_t>(batch.ids[batch.starts[i] + t]);
      const auto type = static_cast<std::size_t>(t >= batch.segment_b[i]);
      Row state(hidden);
      for (std::size_t k = 0; k < hidden; ++k)
        state[k] = static_cast<double>(part(Part::words)[id * hidden + k]) +
                   part(Part::positions)[t * hidden + k] + part(Part::types)[type * hidden + k];
      normalise(state, Part::norm_gain, Part::norm_bias, 0);
      states.push_back(std::move(state));
    }
    for (std::size_t layer = 0; layer < shape.layers; ++layer) run_layer(states, layer);
    if (shape.cross_encoder) {
      const auto pooled = apply(states[0], Part::pooler, Part::pooler_bias, 0);
      double logit = part(Part::classifier_bias)[0];
      for (std::size_t k = 0; k < hidden; ++k)
        logit += std::tanh(pooled[k]) * part(Part::classifier)[k];
      return {logit};
    }
    Row sum(hidden);
    double square = 0;
    for (const auto& state : states)
      for (std::size_t k = 0; k < hidden; ++k) sum[k] += state[k];
    for (const double value : sum) square += value * value;
    for (auto& value : sum) value /= std::sqrt(square);
    return sum;
  }

  Random random_;
  std::map<std::pair<Part, std::size_t>, std::vector<float>> parts_;
};

inline Shape tiny_shape(bool cross_encoder, std::size_t heads = 2, std::size_t head_size = 32) {
  Shape shape;
  shape.hidden = heads * head_size;
  shape.heads = heads;
  shape.layers = 2;
  shape.intermediate = 2 * shape.hidden;
  shape.vocabulary = 100;
  shape.positions = 512;
  shape.cross_encoder = cross_encoder;
  return shape;
}

/// Sequences of these lengths, each with a second part after a third of it.
inline Batch draw_batch(Random& random, const Shape& shape,
                        const std::vector<std::size_t>& lengths) {
  Batch batch;
  for (const auto length : lengths) {
    for (std::size_t t = 0; t < length; ++t)
      batch.ids.push_back(static_cast<std::int32_t>(random.below(shape.vocabulary)));
    batch.starts.push_back(batch.ids.size());
    batch.segment_b.push_back(length / 3 + 1);
  }
  return batch;
}

/// A batch of one of its sequences.
inline Batch only(const Batch& batch, std::size_t i) {
  Batch one;
  one.ids.assign(batch.ids.begin() + static_cast<std::ptrdiff_t>(batch.starts[i]),
                 batch.ids.begin() + static_cast<std::ptrdiff_t>(batch.starts[i + 1]));
  one.starts = {0, one.ids.size()};
  one.segment_b = {batch.segment_b[i]};
  return one;
}

}  // namespace memseal::kernels
