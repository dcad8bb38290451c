#pragma once
// Working memory of the vector code.
#include <algorithm>
#include <cstddef>
#include <new>

namespace memseal::model {

/// Floats on a cache line's boundary, zero at first.
class Buffer {
 public:
  explicit Buffer(std::size_t count)
      : data_(static_cast<float*>(::operator new(count * sizeof(float), alignment))) {
    std::fill_n(data_, count, 0.0f);
  }
  ~Buffer() { ::operator delete(data_, alignment); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* get() const noexcept { return data_; }

 private:
  static constexpr std::align_val_t alignment{64};
  float* data_;
};

}  // namespace memseal::model
