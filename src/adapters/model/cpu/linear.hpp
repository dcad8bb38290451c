#pragma once
// Dense layers by oneDNN: weights packed once for this machine's instruction set; products in fp32,
// or of bf16 numbers summed in fp32.
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/huge_pages.hpp"
#include "adapters/model/factory.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memseal::model {

/// Rows of one call: whole blocks of `rows_block`, then one of a multiple of `rows_step`. A
/// caller's buffers have room for rows up to the next multiple of rows_step, whatever they hold.
inline constexpr std::size_t rows_block = 128, rows_step = 16;

constexpr std::size_t rows_padded(std::size_t rows) {
  return (rows + rows_step - 1) / rows_step * rows_step;
}

/// What one thread needs to run dense layers: a stream and scratch. One thread at a time.
struct LinearLane {
  explicit LinearLane(const dnnl::engine& engine) : stream(engine) {}
  dnnl::stream stream;
  std::vector<std::byte> scratch;
  std::vector<std::uint16_t> halves;  ///< a block of rows in bf16
  /// What each product was called with last: to make these anew costs as much as a small product.
  std::unordered_map<const void*, std::unordered_map<int, dnnl::memory>> arguments;

  /// The scratch, at least as large and on a cache line's boundary; the same memory each time.
  void* take(std::size_t bytes);
};

/// Matrix products of one shape [rows, in] x [in, out] + bias for every allowed number of rows.
/// Immutable once made; shared by all layers of that shape.
class LinearShape {
 public:
  LinearShape(const dnnl::engine& engine, std::size_t in, std::size_t out,
              Precision precision = Precision::fp32);

  std::size_t in() const noexcept { return in_; }
  std::size_t out() const noexcept { return out_; }
  const dnnl::engine& engine() const noexcept { return engine_; }
  const dnnl::memory::desc& weights_desc() const noexcept { return weights_desc_; }
  /// oneDNN's name of the code it chose.
  std::string_view implementation() const noexcept { return implementation_; }

 private:
  friend class Linear;
  struct Product {
    dnnl::matmul run;
    dnnl::memory::desc from, to, scratch;
  };
  Product make(std::size_t rows) const;
  std::unordered_map<int, dnnl::memory>& arguments_of(const Product& product,
                                                      LinearLane& lane) const;

  dnnl::engine engine_;
  std::size_t in_, out_;
  dnnl::memory::data_type factors_;  // of rows and weights; bias and results are fp32
  dnnl::memory::desc weights_desc_, bias_desc_;
  std::string_view implementation_;
  std::vector<Product> products_;   // Index: rows / rows_step - 1.
};

/// One dense layer, or several side by side that read the same input.
class Linear {
 public:
  /// The outputs of `parts` follow each other; their widths add up to the shape's `out`. The packed
  /// weights lie in `pages`, which outlive it.
  Linear(std::shared_ptr<const LinearShape> shape, std::initializer_list<DenseTensors> parts,
         HugePages& pages);

  /// to[rows, out] = from[rows, in] W' + b.
  void apply(LinearLane& lane, const float* from, std::size_t rows, float* to) const;
  std::string_view implementation() const noexcept { return shape_->implementation(); }

 private:
  std::shared_ptr<const LinearShape> shape_;
  dnnl::memory weights_, bias_;
};

}  // namespace memseal::model
