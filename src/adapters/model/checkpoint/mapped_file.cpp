#include "adapters/model/checkpoint/mapped_file.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace memseal::model {

namespace {

Error unreadable(const std::filesystem::path& path, int code) {
  return Error{Errc::no_model, path.string() + ": " + std::generic_category().message(code) +
                                   "; fetch the model again or correct its path"};
}

}  // namespace

// The mapping stays when the descriptor is closed.
// NOTE: reading a page behind the end of a file that was cut short meanwhile ends the process by
// SIGBUS. Replace a model by another directory, never by writing into its files.
Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return unreadable(path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return unreadable(path, EISDIR);
  if (status.st_size == 0)
    return Error{Errc::model_invalid, path.string() + " is empty; fetch the model again"};
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return unreadable(path, errno);
  MappedFile mapped;
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = size;
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

// The pages belong to the file, so nothing is lost: the next access reads them again.
void MappedFile::drop_pages() const noexcept {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

Result<std::string> read_text(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  if (code) return unreadable(path, code.value());
  // Before the text is read: the path comes from a setting and may name any file.
  if (size > bytes_max)
    return Error{Errc::model_invalid, path.string() + " has " + std::to_string(size) +
                                          " bytes, more than the " + std::to_string(bytes_max) +
                                          " that such a file may have"};
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (!file) return unreadable(path, EIO);
  return text;
}

}  // namespace memseal::model
