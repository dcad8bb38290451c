#include "adapters/model/cpu/huge_pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace memseal::model {

namespace {

// 2 MiB is the size of a large page on x86-64.
constexpr std::size_t page = 2u << 20, block_least = 4 * page, line = 64;

std::size_t padded(std::size_t size, std::size_t step) { return (size + step - 1) / step * step; }

}  // namespace

HugePages::~HugePages() {
  for (const auto& block : blocks_) ::munmap(block.data, block.size);
}

void* HugePages::take(std::size_t bytes) {
  bytes = padded(std::max(bytes, line), line);
  if (bytes > left_) {
    const auto wanted = padded(std::max(bytes, block_least), page);
    const auto size = wanted + page;  // Room to begin on a large page; the rest stays untouched.
    void* const data =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    blocks_.push_back({data, size});
    const auto start = padded(reinterpret_cast<std::uintptr_t>(data), page);
    next_ = reinterpret_cast<std::byte*>(start);
    left_ = wanted;
    // Only a wish. Where the system has no large pages, small ones work too.
    ::madvise(next_, wanted, MADV_HUGEPAGE);
  }
  void* const piece = next_;
  next_ += bytes;
  left_ -= bytes;
  return piece;
}

}  // namespace memseal::model
