#pragma once
// Dense layers: weights packed once for this machine's instruction set. Products in fp32, or of
// bf16 numbers summed in fp32, are oneDNN's; those of 8-bit integers are our own.
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/huge_pages.hpp"
#include "adapters/model/cpu/int8_ops.hpp"
#include "adapters/model/encoder/load_options.hpp"

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

/// Rows of one call: whole blocks of `rows_block`, then one of a multiple of `rows_step`.
/// REQUIRES: a caller's buffers have room for rows up to the next multiple of rows_step; the
/// content of the rows beyond does not matter.
inline constexpr std::size_t rows_block = 128, rows_step = 16;

constexpr std::size_t rows_padded(std::size_t rows) {
  return (rows + rows_step - 1) / rows_step * rows_step;
}

/// Working memory of one thread that runs dense layers. Thread: one at a time.
struct LinearScratch {
  explicit LinearScratch(const dnnl::engine& engine) : stream(engine) {}
  dnnl::stream stream;
  std::vector<std::byte> memory;
  std::vector<std::uint16_t> halves;  ///< a block of rows in bf16
  std::vector<std::uint8_t> bytes;    ///< a block of rows in 8 bits
  /// The arguments of each product's last call, kept because making them costs as much as a small
  /// product.
  std::unordered_map<const void*, std::unordered_map<int, dnnl::memory>> arguments;

  /// At least `bytes` bytes of scratch on a cache line's boundary: the same memory in each call.
  void* take(std::size_t bytes);
};

/// Matrix products of one shape [rows, in] x [in, out] + bias for every allowed number of rows.
/// In int8 the weights have a scale for each output, and each row gets a scale when it comes.
/// Immutable once made; shared by all layers of that shape.
class LinearShape {
 public:
  /// REQUIRES: `ops` where the precision is int8.
  LinearShape(const dnnl::engine& engine, std::size_t in, std::size_t out,
              Precision precision = Precision::fp32, const Int8Ops* ops = nullptr);

  std::size_t in() const noexcept { return in_; }
  std::size_t out() const noexcept { return out_; }
  const dnnl::engine& engine() const noexcept { return engine_; }
  const dnnl::memory::desc& weights_desc() const noexcept { return weights_desc_; }
  /// oneDNN's name for the code that it chose.
  std::string_view implementation() const noexcept { return implementation_; }

 private:
  friend class Linear;
  struct Product {
    dnnl::matmul run;
    dnnl::memory::desc from, to, scratch;
  };
  Product make(std::size_t rows) const;
  std::unordered_map<int, dnnl::memory>& arguments_of(const Product& product,
                                                      LinearScratch& scratch) const;

  dnnl::engine engine_;
  std::size_t in_, out_;
  const Int8Ops* ops_;               // null: oneDNN's products
  dnnl::memory::data_type factors_;  // of rows and weights; bias and results are fp32
  dnnl::memory::desc weights_desc_, bias_desc_;
  std::string_view implementation_;
  std::vector<Product> products_;   // Index: rows / rows_step - 1.
};

/// One dense layer, or several side by side that read the same input.
class Linear {
 public:
  /// The outputs of `parts` follow each other; their widths add up to the shape's `out`.
  /// Lifetime: the packed weights lie in `pages`, which outlive the layer.
  Linear(std::shared_ptr<const LinearShape> shape, std::initializer_list<DenseTensors> parts,
         HugePages& pages);

  /// to[rows, out] = from[rows, in] W' + b.
  void apply(LinearScratch& scratch, const float* from, std::size_t rows, float* to) const;
  std::string_view implementation() const noexcept { return shape_->implementation(); }

 private:
  void pack(HugePages& pages, std::vector<float>& rows, const std::vector<float>& bias);
  void apply_int8(LinearScratch& scratch, const float* from, std::size_t rows, float* to) const;

  std::shared_ptr<const LinearShape> shape_;
  dnnl::memory weights_, bias_;
  Int8Layer int8_;  // instead of them, in int8
};

}  // namespace memseal::model
