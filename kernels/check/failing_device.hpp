#pragma once
// A device that refuses one call within a capture, for the check of what a real driver makes of it.
#include "device.hpp"

#include <atomic>
#include <memory>
#include <utility>

namespace memseal::gpu_check {

/// Passes everything on, but refuses the matrix product number `at` of those that are captured.
class FailingStream final : public kernels::Stream {
 public:
  FailingStream(std::unique_ptr<kernels::Stream> inner, std::atomic<int>& left)
      : inner_(std::move(inner)), left_(left) {}

  void copy_in(void* to, const void* pinned, std::size_t bytes) override {
    inner_->copy_in(to, pinned, bytes);
  }
  void copy_out(void* pinned, const void* from, std::size_t bytes) override {
    inner_->copy_out(pinned, from, bytes);
  }
  void run(const kernels::EmbedNorm& work) override { inner_->run(work); }
  void run(const kernels::Gemm& work) override {
    if (captures_ && --left_ == 0)
      throw kernels::DeviceError(kernels::Fault::internal, "refused within a capture, as asked");
    inner_->run(work);
  }
  void run(const kernels::Attend& work) override { inner_->run(work); }
  void run(const kernels::Norm& work) override { inner_->run(work); }
  void run(const kernels::Gelu& work) override { inner_->run(work); }
  void run(const kernels::TakeFirst& work) override { inner_->run(work); }
  void run(const kernels::AttendFirst& work) override { inner_->run(work); }
  void run(const kernels::ScoreHead& work) override { inner_->run(work); }
  void run(const kernels::MeanHead& work) override { inner_->run(work); }
  void begin_capture() override {
    inner_->begin_capture();
    captures_ = true;
  }
  std::unique_ptr<kernels::Graph> end_capture() override {
    captures_ = false;
    return inner_->end_capture();
  }
  void abandon_capture() noexcept override {
    captures_ = false;
    inner_->abandon_capture();
  }
  void launch(const kernels::Graph& graph) override { inner_->launch(graph); }
  void notify(void (*call)(void*), void* argument) override { inner_->notify(call, argument); }
  bool query() override { return inner_->query(); }
  void wait() override { inner_->wait(); }

 private:
  std::unique_ptr<kernels::Stream> inner_;
  std::atomic<int>& left_;
  bool captures_ = false;
};

class FailingDevice final : public kernels::Device {
 public:
  FailingDevice(std::shared_ptr<kernels::Device> inner, int at)
      : inner_(std::move(inner)), left_(at) {}

  const kernels::DeviceInfo& info() const noexcept override { return inner_->info(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void* allocate_pinned(std::size_t bytes) override { return inner_->allocate_pinned(bytes); }
  void release_pinned(void* memory) noexcept override { inner_->release_pinned(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    inner_->upload(to, from, bytes);
  }
  std::unique_ptr<kernels::Stream> make_stream() override {
    return std::make_unique<FailingStream>(inner_->make_stream(), left_);
  }
  void choose(const kernels::Gemm& work) override { inner_->choose(work); }

 private:
  std::shared_ptr<kernels::Device> inner_;
  std::atomic<int> left_;
};

}  // namespace memseal::gpu_check
