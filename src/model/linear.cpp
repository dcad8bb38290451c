#include "linear.hpp"

#include "memseal/base/assert.hpp"

#include <cstring>

namespace memseal::model {

namespace {

using Tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32;

dnnl::memory::dim dim(std::size_t extent) { return static_cast<dnnl::memory::dim>(extent); }

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  // oneDNN's own scratchpad belongs to the thread that made the primitive, not to the one that
  // runs it.
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

}  // namespace

LinearShape::LinearShape(const dnnl::engine& engine, std::size_t in, std::size_t out)
    : engine_(engine), in_(in), out_(out), bias_desc_({1, dim(out)}, f32, Tag::ab) {
  // The layout that suits whole blocks holds for all: the weights are packed once.
  const dnnl::memory::desc any({dim(in), dim(out)}, f32, Tag::any);
  const dnnl::memory::desc from({dim(rows_block), dim(in)}, f32, Tag::ab);
  const dnnl::memory::desc to({dim(rows_block), dim(out)}, f32, Tag::ab);
  const dnnl::matmul::primitive_desc best({from, any, bias_desc_, to}, attributes(), engine);
  weights_desc_ = best.weights_desc();
  implementation_ = best.impl_info_str();
  for (std::size_t rows = rows_step; rows <= rows_block; rows += rows_step)
    products_.push_back(make(rows));
}

LinearShape::Product LinearShape::make(std::size_t rows) const {
  Product product;
  product.from = dnnl::memory::desc({dim(rows), dim(in_)}, f32, Tag::ab);
  product.to = dnnl::memory::desc({dim(rows), dim(out_)}, f32, Tag::ab);
  const dnnl::matmul::primitive_desc desc({product.from, weights_desc_, bias_desc_, product.to},
                                          attributes(), engine_);
  product.run = dnnl::matmul(desc);
  product.scratch_bytes = desc.scratchpad_desc().get_size();
  return product;
}

Linear::Linear(std::shared_ptr<const LinearShape> shape, std::initializer_list<DenseTensors> parts)
    : shape_(std::move(shape)), weights_(shape_->weights_desc(), shape_->engine()),
      bias_(shape_->bias_desc_, shape_->engine()) {
  const auto in = shape_->in(), out = shape_->out();
  std::vector<float> rows(in * out);  // As Hugging Face stores them: [out, in].
  auto* const bias = static_cast<float*>(bias_.get_data_handle());
  std::size_t done = 0;
  for (const auto& part : parts) {
    const auto width = part.bias->count();
    part.weight->read(0, std::span(rows).subspan(done * in, width * in));
    part.bias->read(0, std::span(bias + done, width));
    done += width;
  }
  MEMSEAL_ASSERT(done == out);
  const dnnl::memory::desc as_stored({dim(in), dim(out)}, f32, Tag::ba);
  dnnl::memory source(as_stored, shape_->engine(), rows.data());
  dnnl::stream stream(shape_->engine());
  dnnl::reorder(source, weights_).execute(stream, source, weights_);
  stream.wait();
}

void Linear::apply(LinearLane& lane, const float* from, std::size_t rows, float* to) const {
  for (std::size_t first = 0; first < rows; first += rows_block) {
    const auto here = std::min(rows_padded(rows - first), rows_block);
    const auto& product = shape_->products_[here / rows_step - 1];
    if (lane.scratch.size() < product.scratch_bytes + 64)
      lane.scratch.resize(product.scratch_bytes + 64);
    const auto& engine = shape_->engine();
    const dnnl::memory source(product.from, engine, const_cast<float*>(from + first * shape_->in()));
    const dnnl::memory target(product.to, engine, to + first * shape_->out());
    std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, source},
                                                    {DNNL_ARG_WEIGHTS, weights_},
                                                    {DNNL_ARG_BIAS, bias_},
                                                    {DNNL_ARG_DST, target}};
    if (product.scratch_bytes != 0) {
      const auto at = reinterpret_cast<std::uintptr_t>(lane.scratch.data());
      arguments.emplace(DNNL_ARG_SCRATCHPAD,
                        dnnl::memory(dnnl::memory::desc({dim(product.scratch_bytes)},
                                                        dnnl::memory::data_type::u8, Tag::a),
                                     engine, reinterpret_cast<void*>((at + 63) & ~std::uintptr_t(63))));
    }
    product.run.execute(lane.stream, arguments);
  }
  lane.stream.wait();
}

}  // namespace memseal::model
