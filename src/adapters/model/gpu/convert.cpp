#include "adapters/model/gpu/convert.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cstdio>

namespace memseal::model {

namespace {

using kernels::Part;

const Tensor* part_of_layer(const LayerTensors& layer, Part part) {
  switch (part) {
    case Part::query: return layer.query.weight;
    case Part::query_bias: return layer.query.bias;
    case Part::key: return layer.key.weight;
    case Part::key_bias: return layer.key.bias;
    case Part::value: return layer.value.weight;
    case Part::value_bias: return layer.value.bias;
    case Part::attention_out: return layer.attention_out.weight;
    case Part::attention_out_bias: return layer.attention_out.bias;
    case Part::attention_norm_gain: return layer.attention_norm.gain;
    case Part::attention_norm_bias: return layer.attention_norm.bias;
    case Part::intermediate: return layer.intermediate.weight;
    case Part::intermediate_bias: return layer.intermediate.bias;
    case Part::out: return layer.out.weight;
    case Part::out_bias: return layer.out.bias;
    case Part::out_norm_gain: return layer.out_norm.gain;
    case Part::out_norm_bias: return layer.out_norm.bias;
    default: return nullptr;
  }
}

const Tensor* part_of(const BertTensors& tensors, Part part, std::size_t layer) {
  switch (part) {
    case Part::words: return tensors.words;
    case Part::positions: return tensors.positions;
    case Part::types: return tensors.types;
    case Part::norm_gain: return tensors.norm.gain;
    case Part::norm_bias: return tensors.norm.bias;
    case Part::pooler: return tensors.pooler.weight;
    case Part::pooler_bias: return tensors.pooler.bias;
    case Part::classifier: return tensors.classifier.weight;
    case Part::classifier_bias: return tensors.classifier.bias;
    // All other parts belong to a layer. at() throws for a layer that the model does not have.
    default: return part_of_layer(tensors.layers.at(layer), part);
  }
}

std::string version_text(int version) {  // 13000: 13.0
  return std::to_string(version / 1'000) + "." + std::to_string(version % 1'000 / 10);
}

}  // namespace

kernels::Shape shape_of(const BertConfig& config, std::size_t tokens_max) {
  kernels::Shape shape;
  shape.hidden = config.hidden;
  shape.heads = config.heads;
  shape.layers = config.layers;
  shape.intermediate = config.intermediate;
  shape.vocabulary = config.vocabulary;
  // Rows of positions that no input reaches would only use memory of the GPU.
  shape.positions = std::min(config.positions, tokens_max);
  shape.token_types = config.token_types;
  shape.layer_norm_eps = static_cast<float>(config.layer_norm_eps);
  shape.cross_encoder = config.architecture == Architecture::cross_encoder;
  return shape;
}

// A callback, so that the upload widens one part at a time and the host never holds a second copy
// of the model.
kernels::ReadPart reader_of(const BertTensors& tensors, const kernels::Shape& shape) {
  return [&tensors, positions = shape.positions * shape.hidden](Part part, std::size_t layer) {
    const auto* const tensor = part_of(tensors, part, layer);
    MEMSEAL_ASSERT(tensor != nullptr);
    // Of the table of positions, read only the rows that inputs reach.
    std::vector<float> values(part == Part::positions ? positions : tensor->count());
    tensor->read(0, values);
    return values;
  };
}

kernels::Batch to_kernels(PackedBatch batch) {
  return {std::move(batch.ids), std::move(batch.starts), std::move(batch.segment_b)};
}

std::string isa_of(const kernels::DeviceInfo& device) {
  return device.name + " sm_" + std::to_string(device.capability);
}

std::string describe(const kernels::DeviceInfo& device) {
  char memory[64];
  constexpr double gibibyte = 1 << 30;
  std::snprintf(memory, sizeof memory, "%.1f GiB (%.1f free)",
                static_cast<double>(device.memory_bytes) / gibibyte,
                static_cast<double>(device.memory_free_bytes) / gibibyte);
  return device.name + ", " + memory + ", compute capability " +
         std::to_string(device.capability / 10) + "." + std::to_string(device.capability % 10) +
         ", driver " + version_text(device.driver) + ", CUDA " + version_text(device.runtime);
}

}  // namespace memseal::model
