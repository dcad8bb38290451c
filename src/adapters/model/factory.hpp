#pragma once
// Loads a Hugging Face directory: config.json, model.safetensors, vocab.txt (or tokenizer.json).
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/cpu_reranker.hpp"
#include "adapters/model/gpu/device.hpp"
#include "adapters/model/gpu_embedder.hpp"
#include "adapters/model/gpu_reranker.hpp"
#include "base/result.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <memory>

namespace memseal::model {

enum class Backend {
  cpu,        ///< fp32, oneDNN and vector kernels, by what the machine has
  reference,  ///< double, scalar, slow: the oracle of tests
};

/// What the CPU backend multiplies. bf16 halves what is read and moves logits by up to about 0.1
/// (random weights); sums, attention, norms and activations stay fp32.
enum class Precision { fp32, bf16 };

/// True where the CPU multiplies bf16 itself (AVX-512-BF16 or AMX); elsewhere bf16 is slower.
bool has_fast_bf16() noexcept;

struct LoadOptions {
  Backend backend = Backend::cpu;
  Precision precision = Precision::fp32;
  std::size_t tokens_max = 0;   ///< cuts inputs shorter than the model would; 0: what it reads
  Device device = Device::cpu;  ///< of open_embedder(), open_reranker() and Workload
  std::shared_ptr<DeviceHost> host = nullptr;  ///< null: one of its own, where a GPU is wanted
};

/// Loads a bi-encoder (architecture BertModel, mean pooling) for the CPU.
/// Errors, each naming the file and the mend: no_model (no such directory or file), model_invalid
/// (damaged, or its parts disagree), model_unsupported (sound, but nothing this engine computes).
/// Blocks for as long as reading and packing the weights takes: start-up only. The weights are
/// held once; rows of the word table are read from the mapped file, so a model is replaced by
/// renaming directories, never by writing into one.
Result<std::unique_ptr<CpuEmbedder>> load_embedder(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options = {});

/// Loads a cross-encoder (BertForSequenceClassification with one label). As load_embedder().
Result<std::unique_ptr<CpuReranker>> load_reranker(const std::filesystem::path& directory,
                                                   asio::thread_pool& cpu,
                                                   const LoadOptions& options = {});

/// Loads a model for the CPU and, as `options.device` asks, for a GPU beside it (fp16, sums in
/// fp32). Errors: as load_embedder(), and for Device::cuda, naming the mend: bad_config (no GPU to
/// use), model_unsupported (none of these kernels computes it), unavailable (it failed just now).
Result<std::unique_ptr<DeviceEmbedder>> open_embedder(const std::filesystem::path& directory,
                                                      asio::thread_pool& cpu,
                                                      const LoadOptions& options = {});
Result<std::unique_ptr<DeviceReranker>> open_reranker(const std::filesystem::path& directory,
                                                      asio::thread_pool& cpu,
                                                      const LoadOptions& options = {});

/// Loads the tokenizer of a model directory alone. Errors: as load_embedder().
Result<text::WordPiece> load_words(const std::filesystem::path& directory);

}  // namespace memseal::model
