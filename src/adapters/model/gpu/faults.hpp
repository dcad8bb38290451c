#pragma once
// What a GPU's faults mean here.
#include "base/result.hpp"
#include "memseal/kernels/engine.hpp"

#include <exception>
#include <string>

namespace memseal::model {

/// Met at start it stays: this program, this machine or this model has no use for a GPU.
bool is_final(kernels::Fault fault) noexcept;

/// Nothing on the device can be trusted any more, whichever model met it.
bool breaks_device(kernels::Fault fault) noexcept;

/// What an operator can do about it.
std::string mend_of(kernels::Fault fault);

/// Anything that is no DeviceError is Fault::internal.
kernels::DeviceError device_error_of(const std::exception_ptr& failure);

/// For a model that must be computed by a GPU and cannot: bad_config, model_unsupported, or
/// unavailable where waiting may help. One sentence with its mend.
Error refusal_of(const kernels::DeviceError& error, const std::string& model);

}  // namespace memseal::model
