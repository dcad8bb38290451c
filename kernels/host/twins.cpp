#include "twins.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace memseal::kernels::twin {

namespace {

using Row = std::vector<double>;

void widen(const Half* from, std::size_t count, double* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = to_float(from[i]);
}

Half narrow(double value) { return to_half(static_cast<float>(value)); }

void normalise(Row& row, const float* gain, const float* bias, double eps, Half* to) {
  double mean = 0, square = 0;
  for (const double x : row) mean += x;
  mean /= static_cast<double>(row.size());
  for (const double x : row) square += (x - mean) * (x - mean);
  const double scale = 1 / std::sqrt(square / static_cast<double>(row.size()) + eps);
  for (std::size_t i = 0; i < row.size(); ++i)
    to[i] = narrow((row[i] - mean) * scale * gain[i] + bias[i]);
}

/// One query of one head over `keys` rows, which lie `stride` numbers apart.
void attend_one(const Half* query, const Half* key, const Half* value, std::size_t stride,
                std::size_t keys, std::size_t head_size, Half* to) {
  Row weights(keys), sum(head_size);
  double greatest = -std::numeric_limits<double>::infinity(), total = 0;
  for (std::size_t k = 0; k < keys; ++k) {
    double dot = 0;
    for (std::size_t d = 0; d < head_size; ++d)
      dot += static_cast<double>(to_float(query[d])) * to_float(key[k * stride + d]);
    weights[k] = dot / std::sqrt(static_cast<double>(head_size));
    greatest = std::max(greatest, weights[k]);
  }
  for (auto& weight : weights) total += weight = std::exp(weight - greatest);
  for (std::size_t k = 0; k < keys; ++k)
    for (std::size_t d = 0; d < head_size; ++d)
      sum[d] += weights[k] * to_float(value[k * stride + d]);
  for (std::size_t d = 0; d < head_size; ++d) to[d] = narrow(sum[d] / total);
}

}  // namespace

void run(const EmbedNorm& work) {
  Row row(work.hidden);
  for (std::size_t t = 0; t < work.rows; ++t) {
    const auto id = static_cast<std::size_t>(work.ids[t] & 0x7fffffff);
    const auto type = static_cast<std::size_t>(work.ids[t] < 0);
    for (std::size_t i = 0; i < work.hidden; ++i)
      row[i] = static_cast<double>(to_float(work.words[id * work.hidden + i])) +
               to_float(work.places[work.positions[t] * work.hidden + i]) +
               to_float(work.types[type * work.hidden + i]);
    normalise(row, work.gain, work.bias, work.eps, work.states + t * work.hidden);
  }
}

void run(const Gemm& work) {
  std::vector<float> weight(work.in * work.out), from(work.in);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = to_float(work.weight[i]);
  for (std::size_t row = 0; row < work.rows; ++row) {
    for (std::size_t k = 0; k < work.in; ++k) from[k] = to_float(work.from[row * work.in + k]);
    for (std::size_t column = 0; column < work.out; ++column) {
      auto& to = work.to[row * work.out + column];
      double sum = to_float(work.bias[column]);
      if (work.add) sum += to_float(to);
      const float* const factors = weight.data() + column * work.in;
      for (std::size_t k = 0; k < work.in; ++k) sum += static_cast<double>(from[k]) * factors[k];
      to = narrow(sum);
    }
  }
}

void run(const Attend& work) {
  const auto hidden = work.heads * work.head_size, stride = 3 * hidden;
  for (std::int32_t tile = 0; tile < work.counts->tiles; ++tile) {
    const auto sequence = static_cast<std::size_t>(work.tiles[tile] >> 16);
    const auto offset = static_cast<std::size_t>(work.tiles[tile] & 0xffff) * tile_rows;
    const auto start = static_cast<std::size_t>(work.starts[sequence]);
    const auto length = static_cast<std::size_t>(work.starts[sequence + 1]) - start;
    for (auto row = offset; row < std::min(length, offset + tile_rows); ++row)
      for (std::size_t head = 0; head < work.heads; ++head) {
        const auto* const first = work.fused + start * stride + head * work.head_size;
        attend_one(first + row * stride, first + hidden, first + 2 * hidden, stride, length,
                   work.head_size, work.context + (start + row) * hidden + head * work.head_size);
      }
  }
}

void run(const Norm& work) {
  Row row(work.hidden);
  for (std::size_t t = 0; t < work.rows; ++t) {
    widen(work.x + t * work.hidden, work.hidden, row.data());
    normalise(row, work.gain, work.bias, work.eps, work.x + t * work.hidden);
  }
}

void run(const Gelu& work) {
  for (std::size_t i = 0; i < work.count; ++i) {
    const double x = to_float(work.x[i]);
    work.x[i] = narrow(x / 2 * (1 + std::erf(x / std::sqrt(2.0))));
  }
}

void run(const TakeFirst& work) {
  for (std::size_t b = 0; b < work.sequences; ++b) {
    Half* const to = work.first + b * work.hidden;
    if (b < static_cast<std::size_t>(work.counts->sequences))
      std::copy_n(work.states + static_cast<std::size_t>(work.starts[b]) * work.hidden, work.hidden,
                  to);
    else
      std::fill_n(to, work.hidden, Half{0});
  }
}

void run(const AttendFirst& work) {
  const auto hidden = work.heads * work.head_size, stride = 2 * hidden;
  for (std::size_t b = 0; b < work.sequences; ++b) {
    if (b >= static_cast<std::size_t>(work.counts->sequences)) {
      std::fill_n(work.context + b * hidden, hidden, Half{0});
      continue;
    }
    const auto start = static_cast<std::size_t>(work.starts[b]);
    const auto length = static_cast<std::size_t>(work.starts[b + 1]) - start;
    for (std::size_t head = 0; head < work.heads; ++head) {
      const auto* const first = work.fused + start * stride + head * work.head_size;
      const auto at = b * hidden + head * work.head_size;
      attend_one(work.query + at, first, first + hidden, stride, length, work.head_size,
                 work.context + at);
    }
  }
}

void run(const ScoreHead& work) {
  const auto hidden = work.hidden;
  for (std::int32_t b = 0; b < work.counts->sequences; ++b) {
    const Half* const first = work.first + static_cast<std::size_t>(b) * hidden;
    double logit = work.classifier_bias[0];
    for (std::size_t o = 0; o < hidden; ++o) {
      double sum = work.pooler_bias[o];
      for (std::size_t k = 0; k < hidden; ++k)
        sum += static_cast<double>(to_float(first[k])) * to_float(work.pooler[o * hidden + k]);
      logit += std::tanh(sum) * work.classifier[o];
    }
    work.logits[b] = static_cast<float>(logit);
  }
}

void run(const MeanHead& work) {
  for (std::int32_t b = 0; b < work.counts->sequences; ++b) {
    Row sum(work.hidden);
    for (auto t = static_cast<std::size_t>(work.starts[b]);
         t < static_cast<std::size_t>(work.starts[b + 1]); ++t)
      for (std::size_t i = 0; i < work.hidden; ++i)
        sum[i] += to_float(work.states[t * work.hidden + i]);
    double square = 0;
    for (const double x : sum) square += x * x;
    const double scale = 1 / std::sqrt(std::max(square, 1e-24));
    float* const to = work.vectors + static_cast<std::size_t>(b) * work.hidden;
    for (std::size_t i = 0; i < work.hidden; ++i) to[i] = static_cast<float>(sum[i] * scale);
  }
}

}  // namespace memseal::kernels::twin
