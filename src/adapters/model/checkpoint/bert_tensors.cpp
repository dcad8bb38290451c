#include "adapters/model/checkpoint/bert_tensors.hpp"

#include "adapters/model/checkpoint/json_fields.hpp"

#include <optional>
#include <string>

namespace memseal::model {

namespace {

using Shape = std::vector<std::size_t>;

std::string to_text(const Shape& shape) {
  std::string text = "[";
  for (const auto extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

/// Looks tensors up and remembers the first that is wrong.
class Finder {
 public:
  Finder(const Safetensors& file, std::string_view file_name)
      : file_(file), file_name_(file_name),
        // Hugging Face names the tensors of a BertModel without a prefix, and those of a model that
        // contains one with "bert.".
        prefix_(file.find("bert.embeddings.word_embeddings.weight") != nullptr ? "bert." : "") {}

  const Tensor* need(const std::string& name, const Shape& shape) {
    const auto* tensor = file_.find(name);
    if (tensor == nullptr) return fail(invalid(file_name_, "lacks the tensor \"" + name + "\""));
    if (tensor->type == DType::other)
      return fail(unsupported(file_name_, "has a tensor \"" + name +
                                              "\" that is not F32, F16 or BF16; convert it"));
    if (tensor->shape != shape)
      return fail(invalid(file_name_, "has a tensor \"" + name + "\" of shape " +
                                          to_text(tensor->shape) + " where config.json says " +
                                          to_text(shape)));
    // One infinite or undefined weight makes every answer useless, and at load the file and the
    // tensor can still be named.
    if (!tensor->all_finite())
      return fail(invalid(file_name_, "has a tensor \"" + name + "\" with infinite numbers"));
    parameters_ += tensor->count();
    return tensor;
  }

  const Tensor* body(const std::string& name, const Shape& shape) {
    return need(prefix_ + name, shape);
  }

  // PyTorch stores a dense layer's weight as [out, in].
  DenseTensors dense(const std::string& name, std::size_t out, std::size_t in) {
    return {body(name + ".weight", {out, in}), body(name + ".bias", {out})};
  }

  NormTensors norm(const std::string& name, std::size_t width) {
    // Files converted from TensorFlow call gain and bias gamma and beta.
    const bool old = file_.find(prefix_ + name + ".gamma") != nullptr;
    return {body(name + (old ? ".gamma" : ".weight"), {width}),
            body(name + (old ? ".beta" : ".bias"), {width})};
  }

  const std::optional<Error>& error() const noexcept { return error_; }
  std::size_t parameters() const noexcept { return parameters_; }

 private:
  const Tensor* fail(Error error) {
    // Only the first: a file of another model lacks nearly every tensor.
    if (!error_) {
      error.message += "; fetch the model again or choose another";
      error_ = std::move(error);
    }
    return nullptr;
  }

  const Safetensors& file_;
  std::string_view file_name_;
  std::string prefix_;
  std::size_t parameters_ = 0;
  std::optional<Error> error_;
};

LayerTensors find_layer(Finder& finder, std::size_t index, const BertConfig& config) {
  const auto at = "encoder.layer." + std::to_string(index) + ".";
  const auto hidden = config.hidden;
  LayerTensors layer;
  layer.query = finder.dense(at + "attention.self.query", hidden, hidden);
  layer.key = finder.dense(at + "attention.self.key", hidden, hidden);
  layer.value = finder.dense(at + "attention.self.value", hidden, hidden);
  layer.attention_out = finder.dense(at + "attention.output.dense", hidden, hidden);
  layer.attention_norm = finder.norm(at + "attention.output.LayerNorm", hidden);
  layer.intermediate = finder.dense(at + "intermediate.dense", config.intermediate, hidden);
  layer.out = finder.dense(at + "output.dense", hidden, config.intermediate);
  layer.out_norm = finder.norm(at + "output.LayerNorm", hidden);
  return layer;
}

}  // namespace

Result<BertTensors> BertTensors::find(const Safetensors& file, const BertConfig& config,
                                      std::string_view file_name) {
  Finder finder(file, file_name);
  BertTensors found;
  const auto hidden = config.hidden;
  found.words = finder.body("embeddings.word_embeddings.weight", {config.vocabulary, hidden});
  found.positions = finder.body("embeddings.position_embeddings.weight",
                                {config.positions, hidden});
  found.types = finder.body("embeddings.token_type_embeddings.weight",
                            {config.token_types, hidden});
  found.norm = finder.norm("embeddings.LayerNorm", hidden);
  for (std::size_t i = 0; i < config.layers && !finder.error(); ++i)
    found.layers.push_back(find_layer(finder, i, config));
  if (config.architecture == Architecture::cross_encoder && !finder.error()) {
    found.pooler = finder.dense("pooler.dense", hidden, hidden);
    // The classifier lies outside the BERT and never has the prefix.
    found.classifier = {finder.need("classifier.weight", {1, hidden}),
                        finder.need("classifier.bias", {1})};
  }
  if (finder.error()) return *finder.error();
  // A config.json with too few layers would load, run, and give other numbers than the model does.
  if (file.find((file.find("bert.embeddings.word_embeddings.weight") ? "bert." : "") +
                std::string("encoder.layer.") + std::to_string(config.layers) +
                ".output.dense.weight") != nullptr)
    return invalid(file_name, "has more layers than config.json says; fetch the model again");
  found.parameters = finder.parameters();
  return found;
}

}  // namespace memseal::model
