#include "adapters/model/factory.hpp"

#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/encoder/loaded_model.hpp"

namespace memseal::model {

namespace {

/// Reads the model for the CPU, whatever else computes it.
Result<std::shared_ptr<const LoadedModel>> load_on_cpu(const std::filesystem::path& directory,
                                                       Architecture wanted, LoadOptions options) {
  options.device = Device::cpu;
  return load_model(directory, wanted, options);
}

template <class Opened>
Result<std::unique_ptr<Opened>> open(const std::filesystem::path& directory, Architecture wanted,
                                     asio::thread_pool& cpu, const LoadOptions& options) {
  auto model = load_on_cpu(directory, wanted, options);
  if (!model) return model.error();
  auto seating = seat_model(options.device, options.host, *model);
  if (!seating) return seating.error();
  return std::make_unique<Opened>(std::move(*model), cpu, std::move(seating->seat),
                                  std::move(seating->why_cpu));
}

}  // namespace

Result<std::unique_ptr<CpuEmbedder>> load_embedder(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options) {
  auto model = load_on_cpu(directory, Architecture::encoder, options);
  if (!model) return model.error();
  return std::make_unique<CpuEmbedder>(std::move(*model), cpu);
}

Result<std::unique_ptr<CpuReranker>> load_reranker(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options) {
  auto model = load_on_cpu(directory, Architecture::cross_encoder, options);
  if (!model) return model.error();
  return std::make_unique<CpuReranker>(std::move(*model), cpu);
}

Result<std::unique_ptr<DeviceEmbedder>> open_embedder(const std::filesystem::path& directory,
                                                      asio::thread_pool& cpu,
                                                      const LoadOptions& options) {
  return open<DeviceEmbedder>(directory, Architecture::encoder, cpu, options);
}

Result<std::unique_ptr<DeviceReranker>> open_reranker(const std::filesystem::path& directory,
                                                      asio::thread_pool& cpu,
                                                      const LoadOptions& options) {
  return open<DeviceReranker>(directory, Architecture::cross_encoder, cpu, options);
}

}  // namespace memseal::model
