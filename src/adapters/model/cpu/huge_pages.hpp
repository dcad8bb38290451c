#pragma once
#include <cstddef>
#include <vector>

namespace memseal::model {

/// Memory for what is read over and over from end to end (packed weights): large pages where the
/// system has them, so that the hardware's prefetch does not stop every 4 KiB. Pieces live as long
/// as the pool. Not for several threads at once.
class HugePages {
 public:
  HugePages() = default;
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;

  /// At least `bytes` zeroed bytes on a cache line's boundary. Throws std::bad_alloc.
  void* take(std::size_t bytes);

 private:
  struct Block {
    void* data;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace memseal::model
