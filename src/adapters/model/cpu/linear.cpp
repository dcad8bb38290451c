#include "adapters/model/cpu/linear.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace memseal::model {

namespace {

using Tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32, bf16 = dnnl::memory::data_type::bf16;

dnnl::memory::dim dim(std::size_t extent) { return static_cast<dnnl::memory::dim>(extent); }

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  // oneDNN's own scratchpad belongs to the thread that made the primitive, but any thread may run
  // it.
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

/// fp32 to bf16: rounds to nearest, ties to even. REQUIRES: finite numbers.
void narrow(const float* from, std::size_t count, std::uint16_t* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(from[i]);
    // Adds half of the last place that stays, less one unit when that place is even. A NaN could
    // become a number here.
    to[i] = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

}  // namespace

void* LinearScratch::take(std::size_t bytes) {
  constexpr std::uintptr_t line = 64;
  memory.resize(std::max(memory.size(), bytes + line));
  const auto start = reinterpret_cast<std::uintptr_t>(memory.data());
  return reinterpret_cast<void*>((start + line - 1) & ~(line - 1));
}

LinearShape::LinearShape(const dnnl::engine& engine, std::size_t in, std::size_t out,
                         Precision precision, const Int8Ops* ops)
    : engine_(engine),
      in_(in),
      out_(out),
      ops_(precision == Precision::int8 ? ops : nullptr),
      factors_(precision == Precision::bf16 ? bf16 : f32),
      bias_desc_({1, dim(out)}, f32, Tag::ab) {
  MEMSEAL_ASSERT(precision != Precision::int8 || ops != nullptr);
  if (ops_ != nullptr) {
    implementation_ = ops_->isa;
    return;
  }
  // Weights are packed once, in the layout that is best for whole blocks.
  const dnnl::memory::desc any({dim(in), dim(out)}, factors_, Tag::any);
  const dnnl::memory::desc from({dim(rows_block), dim(in)}, factors_, Tag::ab);
  const dnnl::memory::desc to({dim(rows_block), dim(out)}, f32, Tag::ab);
  const dnnl::matmul::primitive_desc best({from, any, bias_desc_, to}, attributes(), engine);
  weights_desc_ = best.weights_desc();
  implementation_ = best.impl_info_str();
  // oneDNN makes code for one number of rows. Eight of them serve every call; the last block is
  // padded up to the next one.
  for (std::size_t rows = rows_step; rows <= rows_block; rows += rows_step)
    products_.push_back(make(rows));
}

LinearShape::Product LinearShape::make(std::size_t rows) const {
  Product product;
  product.from = dnnl::memory::desc({dim(rows), dim(in_)}, factors_, Tag::ab);
  product.to = dnnl::memory::desc({dim(rows), dim(out_)}, f32, Tag::ab);
  const dnnl::matmul::primitive_desc desc({product.from, weights_desc_, bias_desc_, product.to},
                                          attributes(), engine_);
  product.run = dnnl::matmul(desc);
  product.scratch = desc.scratchpad_desc();
  return product;
}

std::unordered_map<int, dnnl::memory>& LinearShape::arguments_of(const Product& product,
                                                                 LinearScratch& scratch) const {
  auto& arguments = scratch.arguments[&product];
  if (arguments.empty()) {
    arguments[DNNL_ARG_SRC] = dnnl::memory(product.from, engine_, DNNL_MEMORY_NONE);
    arguments[DNNL_ARG_DST] = dnnl::memory(product.to, engine_, DNNL_MEMORY_NONE);
    arguments[DNNL_ARG_SCRATCHPAD] = dnnl::memory(product.scratch, engine_, DNNL_MEMORY_NONE);
  }
  return arguments;
}

Linear::Linear(std::shared_ptr<const LinearShape> shape, std::initializer_list<DenseTensors> parts,
               HugePages& pages)
    : shape_(std::move(shape)) {
  const auto in = shape_->in(), out = shape_->out();
  std::vector<float> rows(in * out), bias(out);  // As Hugging Face stores them: [out, in].
  // Parts lie one after the other, so that one product computes query, key and value.
  std::size_t done = 0;
  for (const auto& part : parts) {
    const auto width = part.bias->count();
    part.weight->read(0, std::span(rows).subspan(done * in, width * in));
    part.bias->read(0, std::span(bias).subspan(done, width));
    done += width;
  }
  MEMSEAL_ASSERT(done == out);
  if (shape_->ops_ != nullptr) {
    const auto bytes = int8_packed_bytes(in, out, *shape_->ops_);
    int8_ = pack_int8(rows, bias, *shape_->ops_, static_cast<std::int8_t*>(pages.take(bytes)));
  } else {
    pack(pages, rows, bias);
  }
}

void Linear::pack(HugePages& pages, std::vector<float>& rows, const std::vector<float>& bias) {
  weights_ = dnnl::memory(shape_->weights_desc(), shape_->engine(),
                          pages.take(shape_->weights_desc().get_size()));
  bias_ = dnnl::memory(shape_->bias_desc_, shape_->engine());
  std::copy(bias.begin(), bias.end(), static_cast<float*>(bias_.get_data_handle()));
  // [out, in] by rows is [in, out] by columns, which is what `ba` says. The reorder packs it.
  const dnnl::memory::desc as_stored({dim(shape_->in()), dim(shape_->out())}, f32, Tag::ba);
  dnnl::memory source(as_stored, shape_->engine(), rows.data());
  dnnl::stream stream(shape_->engine());
  dnnl::reorder(source, weights_).execute(stream, source, weights_);
  // The caller frees `rows`.
  stream.wait();
}

void Linear::apply_int8(LinearScratch& scratch, const float* from, std::size_t rows,
                        float* to) const {
  const auto weights = int8_.weights();
  const auto stride = int8_stride(shape_->in());
  float scales[rows_block];
  std::int32_t zeros[rows_block];
  scratch.bytes.resize(std::max(scratch.bytes.size(), rows_block * stride));
  const QuantisedRows narrow{scratch.bytes.data(), scales, zeros, stride};
  for (std::size_t first = 0; first < rows; first += rows_block) {
    const auto here = std::min(rows - first, rows_block);
    shape_->ops_->quantise(from + first * shape_->in(), here, shape_->in(), narrow);
    shape_->ops_->multiply(narrow, here, weights, to + first * shape_->out());
  }
}

void Linear::apply(LinearScratch& scratch, const float* from, std::size_t rows, float* to) const {
  if (shape_->ops_ != nullptr) return apply_int8(scratch, from, rows, to);
  for (std::size_t first = 0; first < rows; first += rows_block) {
    const auto here = std::min(rows_padded(rows - first), rows_block);
    const auto& product = shape_->products_[here / rows_step - 1];
    void* source = const_cast<float*>(from + first * shape_->in());
    // Rows of layer inputs are fp32 everywhere else, so they are narrowed block by block.
    if (shape_->factors_ == bf16) {
      scratch.halves.resize(std::max(scratch.halves.size(), here * shape_->in()));
      const auto used = std::min(here, rows - first) * shape_->in();
      // Only the rows in use: those of the padding may hold anything, also what is not finite.
      narrow(from + first * shape_->in(), used, scratch.halves.data());
      source = scratch.halves.data();
    }
    auto& arguments = shape_->arguments_of(product, scratch);
    arguments[DNNL_ARG_SRC].set_data_handle(source);
    arguments[DNNL_ARG_DST].set_data_handle(to + first * shape_->out());
    arguments[DNNL_ARG_SCRATCHPAD].set_data_handle(scratch.take(product.scratch.get_size()));
    arguments[DNNL_ARG_WEIGHTS] = weights_;
    arguments[DNNL_ARG_BIAS] = bias_;
    product.run.execute(scratch.stream, arguments);
  }
  scratch.stream.wait();
}

}  // namespace memseal::model
