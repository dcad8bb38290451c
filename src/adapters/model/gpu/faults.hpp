#pragma once
// What the service does about a GPU's faults.
#include "base/result.hpp"
#include "memseal/kernels/engine.hpp"

#include <exception>
#include <string>

namespace memseal::model {

/// A fault that a retry cannot fix: this program, machine or model cannot use a GPU.
bool is_final(kernels::Fault fault) noexcept;

/// A fault after which no model may use the open device.
bool breaks_device(kernels::Fault fault) noexcept;

/// What an operator can do about the fault.
std::string fix_of(kernels::Fault fault);

/// Turns any other exception into Fault::internal.
kernels::DeviceError device_error_of(const std::exception_ptr& failure);

/// The error for a model that must run on a GPU and cannot: bad_config, model_unsupported, or
/// unavailable where waiting may help. Its message is one sentence that ends with the fix.
Error refusal_of(const kernels::DeviceError& error, const std::string& model);

}  // namespace memseal::model
