#pragma once
#include "adapters/model/checkpoint/checkpoint.hpp"
#include "adapters/model/encoder/load_options.hpp"
#include "adapters/model/encoder/loaded_model.hpp"
#include "base/result.hpp"

#include <filesystem>
#include <memory>

namespace memseal::model {

/// Reads a checkpoint and makes the encoder that `options` asks for.
/// Errors: as Checkpoint::read(); model_unsupported where the CPU cannot compute in bf16; and for
/// DeviceChoice::cuda those of refusal_of().
Result<std::shared_ptr<const LoadedModel>> load_model(const std::filesystem::path& directory,
                                                      Architecture wanted,
                                                      const LoadOptions& options);

}  // namespace memseal::model
