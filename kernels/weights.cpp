#include "weights.hpp"

#include <initializer_list>

namespace memseal::kernels {

namespace {

constexpr std::size_t alignment = 256;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

/// Lays the parts out one after the other. Runs twice: to count the bytes, then to upload.
struct DeviceWeights::Copy {
  Device& device;
  const ReadPart& read;
  std::byte* memory;  // null: only count
  std::size_t used = 0;

  std::vector<float> take(Part part, std::size_t layer, std::size_t count) const {
    auto values = read(part, layer);
    if (values.size() != count)
      throw DeviceError(Fault::unsupported, "a tensor of the model has " +
                                                std::to_string(values.size()) + " numbers where " +
                                                std::to_string(count) + " are needed");
    return values;
  }

  /// Several parts of `count` numbers each, one after the other.
  const Half* halves(std::initializer_list<Part> parts, std::size_t layer, std::size_t count) {
    const auto at = used;
    used += aligned(parts.size() * count * sizeof(Half));
    if (memory == nullptr) return nullptr;
    std::vector<Half> rounded;
    rounded.reserve(parts.size() * count);
    for (const auto part : parts)
      for (const float value : take(part, layer, count)) rounded.push_back(to_half(value));
    device.upload(memory + at, rounded.data(), rounded.size() * sizeof(Half));
    return reinterpret_cast<const Half*>(memory + at);
  }

  const float* floats(Part part, std::size_t layer, std::size_t count) {
    const auto at = used;
    used += aligned(count * sizeof(float));
    if (memory == nullptr) return nullptr;
    const auto values = take(part, layer, count);
    device.upload(memory + at, values.data(), count * sizeof(float));
    return reinterpret_cast<const float*>(memory + at);
  }

  DeviceNorm norm(Part gain, Part bias, std::size_t layer, std::size_t hidden) {
    DeviceNorm both;
    both.gain = floats(gain, layer, hidden);
    both.bias = floats(bias, layer, hidden);
    return both;
  }

  DeviceDense dense(Part weight, Part bias, std::size_t layer, std::size_t in, std::size_t out) {
    DeviceDense both;
    both.weight = halves({weight}, layer, in * out);
    both.bias = halves({bias}, layer, out);
    return both;
  }

  DeviceLayer layer(const Shape& shape, std::size_t number) {
    const auto hidden = shape.hidden, inner = shape.intermediate;
    DeviceLayer one;
    // One product instead of three: larger, so it keeps the device busier.
    one.fused.weight = halves({Part::query, Part::key, Part::value}, number, hidden * hidden);
    one.fused.bias = halves({Part::query_bias, Part::key_bias, Part::value_bias}, number, hidden);
    one.attention_out =
        dense(Part::attention_out, Part::attention_out_bias, number, hidden, hidden);
    one.attention_norm = norm(Part::attention_norm_gain, Part::attention_norm_bias, number, hidden);
    one.intermediate = dense(Part::intermediate, Part::intermediate_bias, number, hidden, inner);
    one.out = dense(Part::out, Part::out_bias, number, inner, hidden);
    one.out_norm = norm(Part::out_norm_gain, Part::out_norm_bias, number, hidden);
    return one;
  }

  void all(const Shape& shape, DeviceWeights& to) {
    const auto hidden = shape.hidden;
    to.words = halves({Part::words}, 0, shape.vocabulary * hidden);
    to.positions = halves({Part::positions}, 0, shape.positions * hidden);
    to.types = halves({Part::types}, 0, shape.token_types * hidden);
    to.norm = norm(Part::norm_gain, Part::norm_bias, 0, hidden);
    to.layers.clear();
    for (std::size_t i = 0; i < shape.layers; ++i) to.layers.push_back(layer(shape, i));
    if (!shape.cross_encoder) return;
    to.pooler = halves({Part::pooler}, 0, hidden * hidden);
    to.pooler_bias = floats(Part::pooler_bias, 0, hidden);
    // The last step stays in fp32. It is small, and its rounding would be seen in the logit as it
    // is.
    to.classifier = floats(Part::classifier, 0, hidden);
    to.classifier_bias = floats(Part::classifier_bias, 0, 1);
  }
};

DeviceWeights::DeviceWeights(Device& device, const Shape& shape, const ReadPart& read)
    : device_(device) {
  check_shape(shape);
  Copy count{device, read, nullptr};
  count.all(shape, *this);
  memory_ = static_cast<std::byte*>(device.allocate(count.used));
  bytes_ = count.used;
  try {
    Copy{device, read, memory_}.all(shape, *this);
  } catch (...) {
    device.release(memory_);
    throw;
  }
}

DeviceWeights::~DeviceWeights() { device_.release(memory_); }

}  // namespace memseal::kernels
