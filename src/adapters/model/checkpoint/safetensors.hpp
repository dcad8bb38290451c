#pragma once
#include "adapters/model/checkpoint/tensor.hpp"

#include "base/result.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace memseal::model {

/// The header of a safetensors file, validated: u64 little-endian length N, N bytes of JSON, then
/// the tensors without holes or overlap up to the last byte of the file.
class Safetensors {
 public:
  /// Views into `file`. Errors: model_invalid, its message beginning with `name`.
  static Result<Safetensors> parse(std::span<const std::byte> file,
                                   std::string_view name = "model.safetensors");

  /// Null when there is none.
  const Tensor* find(std::string_view name) const;
  std::size_t size() const noexcept { return tensors_.size(); }
  const std::map<std::string, Tensor, std::less<>>& tensors() const noexcept { return tensors_; }

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace memseal::model
