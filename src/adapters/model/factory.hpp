#pragma once
// Opens the models of the service: a directory becomes an embedder or a reranker.
#include "adapters/model/checkpoint/checkpoint.hpp"
#include "adapters/model/encoder/load_options.hpp"
#include "adapters/model/gpu/device.hpp"
#include "adapters/model/gpu_embedder.hpp"
#include "adapters/model/gpu_reranker.hpp"
#include "adapters/model/schedule/model_pool.hpp"
#include "base/result.hpp"

#include <filesystem>
#include <memory>

namespace memseal::model {

/// Opens a bi-encoder (architecture BertModel, mean pooling) on the CPU and, as `options.device`
/// asks, on a GPU too (fp16, sums in fp32).
/// Blocks for as long as reading and packing the weights takes: start-up only.
/// Errors: as load_model(). For DeviceChoice::cuda also, naming the fix: bad_config (no usable
/// GPU), model_unsupported (the GPU's code cannot compute this model), unavailable (the GPU failed
/// just now). Lifetime: `pool` outlives the model. NOTE: rows of the word table are read from the
/// mapped file. Replace a model by renaming directories, never by writing into one.
Result<std::unique_ptr<GpuEmbedder>> open_embedder(const std::filesystem::path& directory,
                                                   ModelPool& pool,
                                                   const LoadOptions& options = {});

/// Opens a cross-encoder (BertForSequenceClassification with one label). As open_embedder().
Result<std::unique_ptr<GpuReranker>> open_reranker(const std::filesystem::path& directory,
                                                   ModelPool& pool,
                                                   const LoadOptions& options = {});

}  // namespace memseal::model
