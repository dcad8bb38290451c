#include "adapters/model/settings.hpp"

namespace memseal::model {

SettingRows<DeviceSettings> DeviceSettings::rows() {
  using namespace setting;
  return {choice("model.device",
                 "what computes the models: auto takes a GPU where one is found, cuda insists "
                 "on it",
                 {"auto", "cpu", "cuda"}, &DeviceSettings::device)};
}

SettingRows<EmbedderSettings> EmbedderSettings::rows() {
  using namespace setting;
  return {name_or_path(
      "embedding.model",
      "Hugging Face directory of the embedder, or its name; its tokenizer cuts chunks always",
      &EmbedderSettings::model)};
}

SettingRows<RerankerSettings> RerankerSettings::rows() {
  using namespace setting;
  return {name_or_path("rerank.model",
                       "Hugging Face directory of the cross-encoder; empty: search order",
                       &RerankerSettings::model),
          choice("rerank.precision",
                 "what the CPU multiplies; bf16 needs AVX-512, int8 AVX-512-VNNI or AVX-VNNI",
                 {"fp32", "bf16", "int8"}, &RerankerSettings::precision)};
}

SettingRows<PoolSettings> PoolSettings::rows() {
  using namespace setting;
  return {number("runtime.cpu_threads", "model threads; 0: as many as cores", 0, 256,
                 &PoolSettings::cpu_threads)};
}

}  // namespace memseal::model
