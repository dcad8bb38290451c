#pragma once
#include "pure/matrix/wiped_array.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace memseal::matrix {

/// A sequence that grows at its end. What it outgrew is wiped, as it is itself at its end.
template <class T>
class WipedVector {
 public:
  void append(std::span<const T> values) {
    if (size_ + values.size() > array_.size()) {
      WipedArray<T> larger(std::max(size_ + values.size(), 2 * array_.size()));
      std::copy_n(array_.data(), size_, larger.data());
      array_ = std::move(larger);
    }
    std::copy(values.begin(), values.end(), array_.data() + size_);
    size_ += values.size();
  }
  void clear() noexcept {
    wipe(array_.data(), size_ * sizeof(T));
    size_ = 0;
  }

  const T* data() const noexcept { return array_.data(); }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return array_.bytes(); }  ///< that it takes

 private:
  WipedArray<T> array_;
  std::size_t size_ = 0;
};

}  // namespace memseal::matrix
