#pragma once
// Devices to test kernels on, and memory on them.
#include "device.hpp"
#include "host/emulated_device.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace memseal::kernels {

/// "emulated": the kernels' source on the host; "cuda": a GPU, where MEMSEAL_GPU_TESTS=1 says that
/// there is one.
inline std::vector<std::string> device_kinds() {
  const char* const wanted = std::getenv("MEMSEAL_GPU_TESTS");
  if (wanted != nullptr && std::string(wanted) == "1") return {"emulated", "cuda"};
  return {"emulated"};
}

inline std::shared_ptr<Device> make_device(const std::string& kind) {
  if (kind == "cuda") return open_cuda();
  return std::make_shared<EmulatedDevice>();
}

/// An array on the device with a copy on the host.
template <class T>
class OnDevice {
 public:
  OnDevice(Device& device, std::vector<T> values) : device_(device), host(std::move(values)) {
    memory_ = static_cast<T*>(device.allocate(bytes()));
    if (!host.empty()) device.upload(memory_, host.data(), bytes());
  }
  ~OnDevice() { device_.release(memory_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  T* get() const { return memory_; }
  std::size_t bytes() const { return host.size() * sizeof(T); }

  std::vector<T> download(Stream& stream) const {
    void* const pinned = device_.allocate_pinned(bytes());
    stream.copy_out(pinned, memory_, bytes());
    stream.wait();
    std::vector<T> values(host.size());
    std::memcpy(static_cast<void*>(values.data()), pinned, bytes());
    device_.release_pinned(pinned);
    return values;
  }

 private:
  Device& device_;
  T* memory_ = nullptr;

 public:
  std::vector<T> host;
};

inline constexpr Half poison{0x7e00};  // NaN

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  float normal(float scale) { return std::normal_distribution<float>(0, scale)(engine_); }
  std::vector<Half> halves(std::size_t count, float scale = 1) {
    std::vector<Half> values(count);
    for (auto& value : values) value = to_half(normal(scale));
    return values;
  }
  std::vector<float> floats(std::size_t count, float scale = 1, float offset = 0) {
    std::vector<float> values(count);
    for (auto& value : values) value = offset + normal(scale);
    return values;
  }
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(engine_);
  }

 private:
  std::mt19937 engine_;
};

/// Starts, tiles and counts of sequences of these lengths.
struct Layout {
  explicit Layout(const std::vector<std::size_t>& lengths) {
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      for (std::size_t tile = 0; tile * tile_rows < lengths[i]; ++tile)
        tiles.push_back(static_cast<std::int32_t>(i << 16 | tile));
      starts.push_back(starts.back() + static_cast<std::int32_t>(lengths[i]));
    }
    counts.tokens = starts.back();
    counts.sequences = static_cast<std::int32_t>(lengths.size());
    counts.tiles = static_cast<std::int32_t>(tiles.size());
  }
  std::size_t tokens() const { return static_cast<std::size_t>(counts.tokens); }
  std::vector<std::int32_t> starts{0}, tiles;
  BatchCounts counts;
};

inline std::vector<float> widened(const std::vector<Half>& values) {
  std::vector<float> wide;
  for (const auto value : values) wide.push_back(to_float(value));
  return wide;
}

/// ‖got − wanted‖ / ‖wanted‖ over the first `count` numbers; infinite when one is not finite.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& wanted,
                             std::size_t count) {
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(got[i])) return INFINITY;
    apart += (static_cast<double>(got[i]) - wanted[i]) * (static_cast<double>(got[i]) - wanted[i]);
    size += static_cast<double>(wanted[i]) * wanted[i];
  }
  return std::sqrt(apart / std::max(size, 1e-30));
}

inline double relative_error(const std::vector<Half>& got, const std::vector<Half>& wanted,
                             std::size_t count) {
  return relative_error(widened(got), widened(wanted), count);
}

}  // namespace memseal::kernels
