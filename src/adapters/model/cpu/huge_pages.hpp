#pragma once
#include <cstddef>
#include <vector>

namespace memseal::model {

/// Memory for data that is read over and over from end to end (packed weights). It lies on large
/// pages where the system has them, so that the hardware's prefetch does not stop every 4 KiB.
/// Lifetime: pieces live as long as the object. Thread: one at a time.
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
