#pragma once
// A device whose fresh memory is all NaN (as halves, floats and doubles), so that a read of
// unwritten memory shows in the results.
#include "device.hpp"

#include <cstring>
#include <memory>
#include <vector>

namespace memseal::gpu_check {

class PoisonedDevice final : public kernels::Device {
 public:
  explicit PoisonedDevice(std::shared_ptr<kernels::Device> inner) : inner_(std::move(inner)) {}

  const kernels::DeviceInfo& info() const noexcept override { return inner_->info(); }
  void* allocate(std::size_t bytes) override {
    void* const memory = inner_->allocate(bytes);
    const std::vector<unsigned char> nan(bytes, 0xff);
    inner_->upload(memory, nan.data(), bytes);
    return memory;
  }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void* allocate_pinned(std::size_t bytes) override {
    return std::memset(inner_->allocate_pinned(bytes), 0xff, bytes);
  }
  void release_pinned(void* memory) noexcept override { inner_->release_pinned(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    inner_->upload(to, from, bytes);
  }
  std::unique_ptr<kernels::Stream> make_stream() override { return inner_->make_stream(); }
  void choose(const kernels::Gemm& work) override { inner_->choose(work); }

 private:
  std::shared_ptr<kernels::Device> inner_;
};

}  // namespace memseal::gpu_check
