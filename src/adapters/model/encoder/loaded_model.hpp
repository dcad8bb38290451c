#pragma once
#include "adapters/model/checkpoint/checkpoint.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include <memory>

namespace memseal::model {

/// A checkpoint and the encoder that computes it.
/// Thread: immutable; any number of threads at once.
struct LoadedModel : Checkpoint {
  std::unique_ptr<Encoder> encoder;  ///< may read `weights` during calls
};

}  // namespace memseal::model
