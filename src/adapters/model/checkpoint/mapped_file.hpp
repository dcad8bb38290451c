#pragma once
#include "base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace memseal::model {

/// A whole file, mapped read-only. Moves with its address: views into it stay valid.
class MappedFile {
 public:
  /// Errors: no_model when it is missing or cannot be read, model_invalid when it is empty.
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  /// Gives the pages back to the system; they are read again when touched.
  void drop_pages() const noexcept;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The content of a small text file. Errors: no_model when it is missing or cannot be read,
/// model_invalid when it is larger than `bytes_max`.
Result<std::string> read_text(const std::filesystem::path& path, std::size_t bytes_max);

}  // namespace memseal::model
