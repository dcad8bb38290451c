#include "adapters/model/load_model.hpp"

#include "adapters/model/cpu/encoder_cpu.hpp"
#include "adapters/model/cpu/reference_encoder.hpp"
#include "adapters/model/gpu/blocking_encoder.hpp"
#include "adapters/model/gpu/faults.hpp"
#include "adapters/model/gpu/supervisor.hpp"

#include <algorithm>
#include <string_view>

namespace memseal::model {

namespace {

namespace fs = std::filesystem;

Result<std::unique_ptr<Encoder>> cpu_encoder(const Checkpoint& checkpoint,
                                             const fs::path& directory, Precision precision) {
  // oneDNN has no bf16 product for a CPU without AVX-512.
  if (precision == Precision::bf16 && std::string_view(best_vector_ops().isa) != "avx512")
    return Error{Errc::model_unsupported,
                 (directory / "model.safetensors").string() +
                     ": this CPU cannot compute in bf16; set the precision to fp32"};
  if (precision == Precision::int8) {
    if (checkpoint.config.architecture != Architecture::cross_encoder)
      return Error{
          Errc::model_unsupported,
          (directory / "model.safetensors").string() +
              ": an embedder is not computed in int8, because neighbours would change; set "
              "the precision to fp32 or bf16"};
    if (fast_int8_ops() == nullptr)
      return Error{Errc::model_unsupported,
                   (directory / "model.safetensors").string() +
                       ": this CPU has no VNNI for int8; set the precision to fp32"};
  }
  return make_cpu_encoder(checkpoint.config, checkpoint.tensors, best_vector_ops(), precision,
                          fast_int8_ops());
}

/// Null when there is no GPU and the CPU may compute instead.
Result<std::unique_ptr<Encoder>> gpu_encoder(const Checkpoint& checkpoint,
                                             const LoadOptions& options) {
  const auto& [config, tensors] = std::tie(checkpoint.config, checkpoint.tensors);
  const auto tokens_max = checkpoint.info.tokens_max;
  try {
    if (options.gpu)
      return make_blocking_encoder(config, tensors, tokens_max, options.gpu->open(),
                                   options.gpu->engine_options());
    return make_blocking_encoder(config, tensors, tokens_max, kernels::open_cuda());
  } catch (const kernels::DeviceError& error) {
    if (options.device == DeviceChoice::cuda) return refusal_of(error, checkpoint.info.name);
  }
  // "auto": every fault leads to the CPU, which has all that it needs.
  return std::unique_ptr<Encoder>();
}

Result<std::unique_ptr<Encoder>> make_encoder(const Checkpoint& checkpoint,
                                              const fs::path& directory,
                                              const LoadOptions& options) {
  if (options.backend == Backend::reference)
    return make_reference_encoder(checkpoint.config, checkpoint.tensors);
  if (options.device != DeviceChoice::cpu) {
    auto encoder = gpu_encoder(checkpoint, options);
    if (!encoder || *encoder) return encoder;
  }
  return cpu_encoder(checkpoint, directory, options.precision);
}

}  // namespace

std::string_view name_of(Precision precision) noexcept {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::bf16:
      return "bf16";
    case Precision::int8:
      return "int8";
  }
  return "fp32";
}

Precision precision_of(std::string_view name) noexcept {
  for (const auto one : {Precision::bf16, Precision::int8})
    if (name == name_of(one)) return one;
  return Precision::fp32;
}

Result<std::shared_ptr<const LoadedModel>> load_model(const fs::path& directory,
                                                      Architecture wanted,
                                                      const LoadOptions& options) {
  auto checkpoint = Checkpoint::read(directory, wanted);
  if (!checkpoint) return checkpoint.error();
  auto& info = checkpoint->info;
  if (options.tokens_max != 0)
    info.tokens_max = std::clamp<std::size_t>(options.tokens_max, 8, info.tokens_max);
  auto encoder = make_encoder(*checkpoint, directory, options);
  // The encoder has copied the weights in its own layout. Of the file it reads word rows only, so
  // the other pages would double the memory in use. Also after a failure.
  checkpoint->weights.drop_pages();
  if (!encoder) return encoder.error();
  info.backend = (*encoder)->backend();
  info.isa = (*encoder)->isa();
  return std::make_shared<const LoadedModel>(
      LoadedModel{std::move(*checkpoint), std::move(*encoder)});
}

}  // namespace memseal::model
