#pragma once
#include "base/secret.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace memseal::matrix {

/// Zeroed memory that begins on a cache line and is wiped before it is freed. Its size is fixed.
template <class T>
class WipedArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  WipedArray() = default;
  explicit WipedArray(std::size_t count)
      : data_(static_cast<T*>(::operator new(count * sizeof(T), alignment))), count_(count) {
    std::uninitialized_value_construct_n(data_, count);
  }
  ~WipedArray() { release(); }
  WipedArray(WipedArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  WipedArray& operator=(WipedArray&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      count_ = std::exchange(other.count_, 0);
    }
    return *this;
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T& operator[](std::size_t at) noexcept { return data_[at]; }
  const T& operator[](std::size_t at) const noexcept { return data_[at]; }
  std::size_t size() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return count_ * sizeof(T); }

 private:
  static constexpr std::align_val_t alignment{64};

  void release() noexcept {
    if (data_ == nullptr) return;
    wipe(data_, bytes());
    ::operator delete(data_, alignment);
  }

  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace memseal::matrix
