// A weights file: refused or sound, and then every tensor can be found by its name and read.
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"

#include <cstdlib>

using namespace memseal;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  const auto parsed = model::Safetensors::parse(file);
  if (!parsed) {
    check(!parsed.error().message.empty());
    return 0;
  }
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : parsed->tensors()) {
    check(parsed->find(name) == &tensor);
    bytes += tensor.bytes.size();
    if (tensor.type == model::DType::other) continue;
    check(tensor.floats().size() == tensor.count());
    tensor.all_finite();
  }
  check(bytes < size);

  model::BertConfig config;
  config.architecture = model::Architecture::cross_encoder;
  config.hidden = 2;
  config.layers = config.heads = config.intermediate = 1;
  config.positions = config.vocabulary = 8;
  const auto tensors = model::BertTensors::find(*parsed, config);
  if (tensors) check(tensors->words->count() == 16 && tensors->layers.size() == 1);
  return 0;
}
