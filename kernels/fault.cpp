#include "memseal/kernels/engine.hpp"

namespace memseal::kernels {

const char* fault_name(Fault fault) noexcept {
  switch (fault) {
    case Fault::not_built:
      return "not_built";
    case Fault::no_driver:
      return "no_driver";
    case Fault::no_device:
      return "no_device";
    case Fault::too_old:
      return "too_old";
    case Fault::unsupported:
      return "unsupported";
    case Fault::out_of_memory:
      return "out_of_memory";
    case Fault::lost:
      return "lost";
    case Fault::restart:
      return "restart";
    case Fault::internal:
      return "internal";
  }
  return "internal";
}

void check_shape(const Shape& shape) {
  const auto refuse = [](const std::string& what) {
    throw DeviceError(Fault::unsupported, "the GPU kernels do not compute " + what);
  };
  if (shape.layers == 0 || shape.heads == 0 || shape.vocabulary == 0 || shape.token_types == 0)
    refuse("a model without layers, heads, words or token types");
  if (shape.hidden > 1'024 || shape.hidden % 8 != 0 || shape.hidden % shape.heads != 0)
    refuse("a hidden size of " + std::to_string(shape.hidden) +
           ": at most 1024, a multiple of 8 and of the number of heads");
  if (shape.head_size() != 32 && shape.head_size() != 64)
    refuse("heads of " + std::to_string(shape.head_size()) + " elements, only of 32 or 64");
  if (shape.intermediate == 0 || shape.intermediate % 8 != 0)
    refuse("an intermediate size of " + std::to_string(shape.intermediate) +
           ", only multiples of 8");
  if (shape.positions == 0 || shape.positions > 512)
    refuse("sequences of " + std::to_string(shape.positions) + " tokens, only of 1 to 512");
}

}  // namespace memseal::kernels
