// The engine behind a C interface, for Python's ctypes; library.py calls it.
// A function that returns int returns 0 on success, or -1; then gpu_check_error() has the reason.
#include "memseal/kernels/engine.hpp"

#include "failing_device.hpp"
#include "host/host_device.hpp"
#include "lane.hpp"
#include "model_directory.hpp"
#include "poisoned_device.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace memseal;
using Clock = std::chrono::steady_clock;

thread_local std::string last_error;

template <class Work>
int guarded(Work&& work) {
  try {
    work();
    return 0;
  } catch (const kernels::DeviceError& error) {
    last_error = std::string(kernels::fault_name(error.fault())) + ": " + error.what();
  } catch (const std::exception& error) {
    last_error = error.what();
  }
  return -1;
}

std::shared_ptr<kernels::Device> open_device(std::string_view kind) {
  if (kind == "cuda") return kernels::open_cuda(0);
  if (kind == "host") return std::make_shared<kernels::HostDevice>();
  throw std::runtime_error("no such device: " + std::string(kind) + "; there are cuda and host");
}

std::int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

/// Runs `work(thread)` on `count` threads, and rethrows the exception of the first one that failed.
template <class Work>
void on_threads(std::size_t count, Work work) {
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

extern "C" {

/// The engine's options. -1 keeps the engine's own default.
struct GpuCheckOptions {
  std::int32_t lanes, batch_tokens, sequences_max, patience_ms;
  std::int32_t graphs, warm;
  std::int32_t poison;        ///< 1: fresh memory is NaN
  std::int32_t fail_capture;  ///< n > 0: the n-th product that is captured is refused
  std::int32_t hang_ms;
};

/// Sequences end to end, as kernels::Batch.
struct GpuCheckBatch {
  const std::int32_t* ids;
  const std::int64_t* starts;     ///< [sequences + 1]
  const std::int64_t* segment_b;  ///< [sequences]
  std::int64_t sequences;
};

/// The result of gpu_check_together().
struct GpuCheckTogether {
  std::int64_t requests, wrong, failed;
  double worst;                   ///< greatest difference from the expected numbers
  double seconds;
};

struct GpuCheck {
  gpu_check::ModelDirectory model;
  kernels::Shape shape;
  std::shared_ptr<kernels::Device> device;
  kernels::EngineOptions options;
  std::unique_ptr<kernels::Engine> engine;

  kernels::ReadPart reader() const {
    return [this](kernels::Part part, std::size_t layer) { return model.read(part, layer); };
  }
  std::size_t width() const { return shape.cross_encoder ? 1 : shape.hidden; }
};

}  // extern "C"

namespace {

kernels::EngineOptions options_of(const GpuCheckOptions& given) {
  kernels::EngineOptions options;
  const auto take = [](auto& to, std::int32_t value) {
    if (value >= 0) to = static_cast<std::remove_reference_t<decltype(to)>>(value);
  };
  take(options.lanes, given.lanes);
  take(options.batch_tokens, given.batch_tokens);
  take(options.sequences_max, given.sequences_max);
  take(options.patience_ms, given.patience_ms);
  take(options.graphs, given.graphs);
  take(options.warm, given.warm);
  take(options.hang_ms, given.hang_ms);
  return options;
}

kernels::Batch batch_of(const GpuCheckBatch& given) {
  kernels::Batch batch;
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(given.sequences, 0));
  if (count > 0) {
    batch.starts.assign(given.starts, given.starts + count + 1);
    batch.segment_b.assign(given.segment_b, given.segment_b + count);
    batch.ids.assign(given.ids, given.ids + batch.starts.back());
  }
  return batch;
}

void append(kernels::Batch& batch, const std::int32_t* ids, std::size_t count,
            std::size_t segment_b) {
  batch.ids.insert(batch.ids.end(), ids, ids + count);
  batch.starts.push_back(batch.ids.size());
  batch.segment_b.push_back(segment_b);
}

/// Tokenises as the service does: pairs for a cross-encoder, single texts otherwise.
kernels::Batch read_texts(const GpuCheck& of, const char* query, const char* const* texts,
                          std::size_t count, std::size_t tokens_max) {
  kernels::Batch batch;
  for (std::size_t i = 0; i < count; ++i) {
    if (query != nullptr) {
      const auto pair = of.model.words.encode_pair(query, texts[i], tokens_max);
      append(batch, pair.ids.data(), pair.ids.size(), pair.segment_b);
    } else {
      const auto ids = of.model.words.encode_single(texts[i], tokens_max);
      append(batch, ids.data(), ids.size(), ids.size());
    }
  }
  return batch;
}

void copy_out(const std::vector<float>& values, std::size_t wanted, float* out) {
  if (values.size() != wanted)
    throw std::runtime_error("the engine gave " + std::to_string(values.size()) +
                             " numbers where " + std::to_string(wanted) + " were asked for");
  std::copy(values.begin(), values.end(), out);
}

/// Some of the pool's sequences in random order; a sequence may occur twice.
std::vector<std::size_t> draw(std::mt19937& random, std::size_t pool) {
  std::vector<std::size_t> chosen(1 + random() % std::min<std::size_t>(pool, 24));
  for (auto& one : chosen) one = random() % pool;
  return chosen;
}

/// Whether all values of one request are within `tolerance` of the expected ones.
struct Verdict {
  bool right = true;
  double worst = 0;
};

Verdict compare(const std::vector<float>& values, const std::vector<std::size_t>& chosen,
                const float* expected, std::size_t width, double tolerance) {
  Verdict verdict;
  verdict.right = values.size() == chosen.size() * width;
  for (std::size_t i = 0; verdict.right && i < values.size(); ++i) {
    const double wanted = expected[chosen[i / width] * width + i % width];
    const double off = std::abs(static_cast<double>(values[i]) - wanted);
    verdict.worst = std::max(verdict.worst, off);
    if (!(off <= tolerance)) verdict.right = false;  // NaN too
  }
  return verdict;
}

}  // namespace

extern "C" {

/// The reason of this thread's last failure.
const char* gpu_check_error() { return last_error.c_str(); }

/// Opens `device` ("cuda" or "host") and loads a model directory; null on failure.
GpuCheck* gpu_check_open(const char* directory, const char* device,
                         const GpuCheckOptions* options) {
  GpuCheck* opened = nullptr;
  guarded([&] {
    auto model = gpu_check::ModelDirectory::open(directory);
    const auto shape = model.shape();
    auto chosen = open_device(device);
    if (options->poison == 1)
      chosen = std::make_shared<gpu_check::PoisonedDevice>(std::move(chosen));
    if (options->fail_capture > 0)
      chosen = std::make_shared<gpu_check::FailingDevice>(std::move(chosen), options->fail_capture);
    auto made = std::make_unique<GpuCheck>(
        GpuCheck{std::move(model), shape, std::move(chosen), options_of(*options), nullptr});
    made->engine =
        std::make_unique<kernels::Engine>(made->device, shape, made->reader(), made->options);
    opened = made.release();
  });
  return opened;
}

void gpu_check_close(GpuCheck* of) { delete of; }

/// Numbers of one sequence's result: 1, or the width of an embedding.
std::int64_t gpu_check_width(const GpuCheck* of) { return static_cast<std::int64_t>(of->width()); }

/// Device and counters as JSON.
int gpu_check_info(const GpuCheck* of, char* out, std::size_t bytes) {
  return guarded([&] {
    const auto& device = of->engine->device();
    const auto counters = of->engine->counters();
    std::string name;
    for (const char c : device.name)
      if (c != '"' && c != '\\') name += c;
    const int length = std::snprintf(
        out, bytes,
        "{\"name\":\"%s\",\"capability\":%d,\"multiprocessors\":%d,\"memory_bytes\":%zu,"
        "\"driver\":%d,\"runtime\":%d,\"requests\":%llu,\"batches\":%llu,\"shared_batches\":%llu,"
        "\"captures\":%llu,\"device_bytes\":%zu}",
        name.c_str(), device.capability, device.multiprocessors, device.memory_bytes,
        device.driver, device.runtime, static_cast<unsigned long long>(counters.requests),
        static_cast<unsigned long long>(counters.batches),
        static_cast<unsigned long long>(counters.shared_batches),
        static_cast<unsigned long long>(counters.captures), counters.device_bytes);
    if (length < 0 || static_cast<std::size_t>(length) >= bytes)
      throw std::runtime_error("the buffer is too small");
  });
}

/// The code chosen for each size of matrix product, a line each.
int gpu_check_products(const GpuCheck* of, char* out, std::size_t bytes) {
  return guarded([&] {
    std::string text;
    for (const auto& line : of->engine->products()) text += line + "\n";
    if (text.size() >= bytes) throw std::runtime_error("the buffer is too small");
    std::copy_n(text.c_str(), text.size() + 1, out);
  });
}

/// Breaks the device as an illegal address does; later calls fail. Fails if nothing broke.
int gpu_check_break(GpuCheck* of) {
  return guarded([&] {
    if (auto* const host = dynamic_cast<kernels::HostDevice*>(of->device.get()))
      return host->lose();
    const auto stream = of->device->make_stream();
    try {
      stream->run(kernels::Gelu{.x = reinterpret_cast<kernels::Half*>(16), .count = 8});
      stream->wait();
    } catch (const kernels::DeviceError& error) {
      if (error.fault() == kernels::Fault::lost) return;
      throw;
    }
    throw std::runtime_error("the device wrote to an address that is not there");
  });
}

/// Device microseconds of each of `calls` passes over the batch, by the device's own clock, on a
/// lane of its own. REQUIRES: the batch fits into one lane.
int gpu_check_device_time(const GpuCheck* of, const GpuCheckBatch* batch, std::int32_t calls,
                          float* microseconds) {
  return guarded([&] {
    const auto prepared = batch_of(*batch);
    const kernels::DeviceWeights weights(*of->device, of->shape, of->reader());
    kernels::Lane lane(*of->device, of->shape, weights,
                       kernels::bucket_of(prepared.ids.size(), prepared.size()), of->options);
    const kernels::Slice whole{&prepared, 0, prepared.size()};
    const auto took = lane.time(std::span(&whole, 1), calls);
    if (took.size() != static_cast<std::size_t>(calls))
      throw std::runtime_error("this device has no clock");
    std::copy(took.begin(), took.end(), microseconds);
  });
}

/// One request; `out` takes sequences * width numbers.
int gpu_check_run(GpuCheck* of, const GpuCheckBatch* batch, float* out) {
  return guarded([&] {
    auto request = batch_of(*batch);
    const auto wanted = request.size() * of->width();
    copy_out(of->engine->run(std::move(request)), wanted, out);
  });
}

/// The token ids of each text and their number, for comparing tokenizers. `ids` holds
/// count * tokens_max.
int gpu_check_tokens(GpuCheck* of, const char* query, const char* const* texts,
                     std::int64_t count, std::int64_t tokens_max, std::int32_t* ids,
                     std::int64_t* lengths) {
  return guarded([&] {
    const auto width = static_cast<std::size_t>(tokens_max);
    const auto batch = read_texts(*of, query, texts, static_cast<std::size_t>(count), width);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      lengths[i] = static_cast<std::int64_t>(batch.length(i));
      std::copy_n(batch.ids.data() + batch.starts[i], batch.length(i), ids + i * width);
    }
  });
}

/// Tokenises the texts and runs them. If `query` is null, they are single texts.
int gpu_check_texts(GpuCheck* of, const char* query, const char* const* texts,
                    std::int64_t count, std::int64_t tokens_max, float* out) {
  return guarded([&] {
    auto request = read_texts(*of, query, texts, static_cast<std::size_t>(count),
                              static_cast<std::size_t>(tokens_max));
    const auto wanted = request.size() * of->width();
    copy_out(of->engine->run(std::move(request)), wanted, out);
  });
}

/// Runs the batch `calls` times, one after the other, and measures the nanoseconds of each call,
/// from ids to numbers on the host. `out` gets the numbers of the last call.
int gpu_check_time(GpuCheck* of, const GpuCheckBatch* batch, std::int64_t calls,
                   std::int64_t* nanoseconds, float* out) {
  return guarded([&] {
    const auto prepared = batch_of(*batch);
    std::vector<float> values;
    for (std::int64_t i = 0; i < calls; ++i) {
      auto request = prepared;
      const auto start = Clock::now();
      values = of->engine->run(std::move(request));
      nanoseconds[i] = nanoseconds_since(start);
    }
    copy_out(values, prepared.size() * of->width(), out);
  });
}

/// As gpu_check_time(), but from texts.
int gpu_check_time_texts(GpuCheck* of, const char* query, const char* const* texts,
                         std::int64_t count, std::int64_t tokens_max, std::int64_t calls,
                         std::int64_t* nanoseconds, float* out) {
  return guarded([&] {
    std::vector<float> values;
    for (std::int64_t i = 0; i < calls; ++i) {
      const auto start = Clock::now();
      values = of->engine->run(read_texts(*of, query, texts, static_cast<std::size_t>(count),
                                          static_cast<std::size_t>(tokens_max)));
      nanoseconds[i] = nanoseconds_since(start);
    }
    copy_out(values, static_cast<std::size_t>(count) * of->width(), out);
  });
}

/// `threads` callers each run the batch one call after the other for `seconds`. Measures the calls
/// a second of all of them.
int gpu_check_throughput(GpuCheck* of, const GpuCheckBatch* batch, std::int64_t threads,
                         double seconds, double* calls_per_second) {
  return guarded([&] {
    const auto prepared = batch_of(*batch);
    std::atomic<std::int64_t> done{0};
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(seconds));
    on_threads(static_cast<std::size_t>(threads), [&](std::size_t) {
      while (Clock::now() < end) {
        of->engine->run(prepared);
        ++done;
      }
    });
    *calls_per_second =
        static_cast<double>(done) * 1e9 / static_cast<double>(nanoseconds_since(start));
  });
}

/// Sends `requests` requests from `threads` callers at the same time, each of 1 to 24 sequences
/// drawn from the pool, and compares each number with `expected` (pool size * width).
int gpu_check_together(GpuCheck* of, const GpuCheckBatch* pool, const float* expected,
                       double tolerance, std::int64_t threads, std::int64_t requests,
                       std::uint32_t seed, GpuCheckTogether* seen) {
  return guarded([&] {
    const auto all = batch_of(*pool);
    std::atomic<std::int64_t> next{0};
    std::mutex mutex;
    *seen = {};
    const auto start = Clock::now();
    on_threads(static_cast<std::size_t>(threads), [&](std::size_t) {
      for (std::int64_t number; (number = next++) < requests;) {
        std::mt19937 random(seed + static_cast<std::uint32_t>(number));
        const auto chosen = draw(random, all.size());
        kernels::Batch request;
        for (const auto one : chosen)
          append(request, all.ids.data() + all.starts[one], all.length(one), all.segment_b[one]);
        Verdict verdict;
        bool failed = false;
        try {
          verdict = compare(of->engine->run(std::move(request)), chosen, expected, of->width(),
                            tolerance);
        } catch (const kernels::DeviceError&) {
          failed = true;
        }
        const std::lock_guard lock(mutex);
        ++seen->requests;
        seen->failed += failed;
        seen->wrong += !failed && !verdict.right;
        seen->worst = std::max(seen->worst, verdict.worst);
      }
    });
    seen->seconds = static_cast<double>(nanoseconds_since(start)) / 1e9;
  });
}

}  // extern "C"
