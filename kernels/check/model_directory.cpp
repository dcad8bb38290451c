#include "model_directory.hpp"

#include <stdexcept>

namespace memseal::gpu_check {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t text_bytes_max = 64u << 20;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

const model::Tensor* of_layer(const model::LayerTensors& layer, kernels::Part part) {
  using enum kernels::Part;
  switch (part) {
    case query: return layer.query.weight;
    case query_bias: return layer.query.bias;
    case key: return layer.key.weight;
    case key_bias: return layer.key.bias;
    case value: return layer.value.weight;
    case value_bias: return layer.value.bias;
    case attention_out: return layer.attention_out.weight;
    case attention_out_bias: return layer.attention_out.bias;
    case attention_norm_gain: return layer.attention_norm.gain;
    case attention_norm_bias: return layer.attention_norm.bias;
    case intermediate: return layer.intermediate.weight;
    case intermediate_bias: return layer.intermediate.bias;
    case out: return layer.out.weight;
    case out_bias: return layer.out.bias;
    case out_norm_gain: return layer.out_norm.gain;
    case out_norm_bias: return layer.out_norm.bias;
    default: return nullptr;
  }
}

const model::Tensor* of_model(const model::BertTensors& tensors, kernels::Part part) {
  using enum kernels::Part;
  switch (part) {
    case words: return tensors.words;
    case positions: return tensors.positions;
    case types: return tensors.types;
    case norm_gain: return tensors.norm.gain;
    case norm_bias: return tensors.norm.bias;
    case pooler: return tensors.pooler.weight;
    case pooler_bias: return tensors.pooler.bias;
    case classifier: return tensors.classifier.weight;
    case classifier_bias: return tensors.classifier.bias;
    default: return nullptr;
  }
}

}  // namespace

ModelDirectory ModelDirectory::open(const fs::path& directory) {
  const auto config_path = directory / "config.json", words_path = directory / "vocab.txt",
             weights_path = directory / "model.safetensors";
  const auto config = value_of(model::BertConfig::parse(
      value_of(model::read_text(config_path, text_bytes_max)), config_path.string()));
  auto words = value_of(
      text::WordPiece::from_vocabulary(value_of(model::read_text(words_path, text_bytes_max))));
  if (words.vocabulary_size() > config.vocabulary)
    throw std::runtime_error(config_path.string() + " has a \"vocab_size\" below vocab.txt's");
  auto file = value_of(model::MappedFile::open(weights_path));
  auto weights = value_of(model::Safetensors::parse(file.bytes(), weights_path.string()));
  ModelDirectory all{config, std::move(words), std::move(file), std::move(weights), {}};
  all.tensors = value_of(model::BertTensors::find(all.weights, config, weights_path.string()));
  return all;
}

kernels::Shape ModelDirectory::shape() const {
  kernels::Shape shape;
  shape.hidden = config.hidden;
  shape.heads = config.heads;
  shape.layers = config.layers;
  shape.intermediate = config.intermediate;
  shape.vocabulary = config.vocabulary;
  shape.positions = config.positions;
  shape.token_types = config.token_types;
  shape.layer_norm_eps = static_cast<float>(config.layer_norm_eps);
  shape.cross_encoder = config.architecture == model::Architecture::cross_encoder;
  return shape;
}

std::vector<float> ModelDirectory::read(kernels::Part part, std::size_t layer) const {
  const auto* tensor = of_model(tensors, part);
  if (tensor == nullptr && layer < tensors.layers.size())
    tensor = of_layer(tensors.layers[layer], part);
  if (tensor == nullptr) throw std::runtime_error("the model has no such part");
  return tensor->floats();
}

}  // namespace memseal::gpu_check
