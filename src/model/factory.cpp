#include "memseal/model/factory.hpp"

#include "loaded_model.hpp"

namespace memseal::model {

Result<std::unique_ptr<CpuEmbedder>> load_embedder(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options) {
  auto model = load_model(directory, Architecture::encoder, options);
  if (!model) return model.error();
  return std::make_unique<CpuEmbedder>(std::move(*model), cpu);
}

Result<std::unique_ptr<CpuReranker>> load_reranker(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options) {
  auto model = load_model(directory, Architecture::cross_encoder, options);
  if (!model) return model.error();
  return std::make_unique<CpuReranker>(std::move(*model), cpu);
}

}  // namespace memseal::model
