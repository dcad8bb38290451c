#include "adapters/model/factory.hpp"

#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/load_model.hpp"

namespace memseal::model {

namespace {

template <class Opened>
Result<std::unique_ptr<Opened>> open(const std::filesystem::path& directory, Architecture wanted,
                                     ModelPool& pool, const LoadOptions& options) {
  // Always for the CPU, because the CPU answers whenever the GPU does not.
  auto on_cpu = options;
  on_cpu.device = DeviceChoice::cpu;
  auto model = load_model(directory, wanted, on_cpu);
  if (!model) return model.error();
  auto placement = place_model(options.device, options.gpu, *model);
  if (!placement) return placement.error();
  return std::make_unique<Opened>(std::move(*model), pool, std::move(placement->hosted),
                                  std::move(placement->why_cpu));
}

}  // namespace

Result<std::unique_ptr<GpuEmbedder>> open_embedder(const std::filesystem::path& directory,
                                                   ModelPool& pool, const LoadOptions& options) {
  return open<GpuEmbedder>(directory, Architecture::encoder, pool, options);
}

Result<std::unique_ptr<GpuReranker>> open_reranker(const std::filesystem::path& directory,
                                                   ModelPool& pool, const LoadOptions& options) {
  return open<GpuReranker>(directory, Architecture::cross_encoder, pool, options);
}

}  // namespace memseal::model
