#pragma once
// Models on a GPU that is not there: the host device, which fails where a test wants it to.
#include "adapters/model/factory.hpp"
#include "adapters/model/gpu/supervisor.hpp"
#include "adapters/model/load_model.hpp"
#include "host/host_device.hpp"
#include "support/model_files.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/co_spawn.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace memseal::model::testing {

using kernels::Fault;
using kernels::HostDevice;
using kernels::HostFaults;

inline const std::string question = "the red planet ?";

/// What fp16 may change of a logit.
inline constexpr double logit_gate = 0.02;

inline ModelSpec tiny_spec(Architecture architecture) {
  return {.architecture = architecture, .hidden = 32, .layers = 2, .heads = 1, .intermediate = 48,
          .positions = 96};
}

/// Random models of these shapes, written once; `backend` computes them.
inline std::shared_ptr<const LoadedModel> load_tiny(Architecture architecture,
                                                    Backend backend = Backend::cpu) {
  static const TempDirectory place;
  const auto directory =
      place.path() / (architecture == Architecture::encoder ? "tiny-embedder" : "tiny-reranker");
  if (!std::filesystem::exists(directory)) write_model(directory, tiny_spec(architecture));
  return load_model(directory, architecture, {.backend = backend}).value();
}

/// Packed once for all tests that only compute with it.
inline std::shared_ptr<const LoadedModel> tiny(Architecture architecture) {
  static const auto embedder = load_tiny(Architecture::encoder);
  static const auto reranker = load_tiny(Architecture::cross_encoder);
  return architecture == Architecture::encoder ? embedder : reranker;
}

/// Opens one device after another, each with the next of the faults that were planned, then sound
/// ones. Any thread.
class Openings {
 public:
  std::vector<HostFaults> faults;          ///< of the devices that are opened
  std::optional<Fault> refusal;            ///< thrown instead of a device, while set
  std::function<void()> before_work;       ///< of every device
  bool old_one_is_gone = true;             ///< whether each was gone before the next was opened

  DeviceOpener opener() {
    return [this] { return open(); };
  }

  std::shared_ptr<HostDevice> latest() {
    const std::lock_guard lock(guard_);
    return latest_.lock();
  }
  std::size_t opened() {
    const std::lock_guard lock(guard_);
    return opened_;
  }
  void refuse(std::optional<Fault> fault) {
    const std::lock_guard lock(guard_);
    refusal = fault;
  }

 private:
  std::shared_ptr<kernels::Device> open() {
    const std::lock_guard lock(guard_);
    if (!latest_.expired()) old_one_is_gone = false;
    if (refusal) throw kernels::DeviceError(*refusal, "the machine has nothing like it");
    const auto number = opened_++;
    auto device =
        std::make_shared<HostDevice>(number < faults.size() ? faults[number] : HostFaults());
    device->before_work = before_work;
    latest_ = device;
    return device;
  }

  std::mutex guard_;
  std::weak_ptr<HostDevice> latest_;
  std::size_t opened_ = 0;
};

/// Probes soon, warms nothing.
inline GpuSupervisorOptions fast_options() {
  GpuSupervisorOptions options;
  options.probe_first = std::chrono::milliseconds(1);
  options.probe_most = std::chrono::milliseconds(8);
  options.engine.lanes = 2;
  options.engine.batch_tokens = 512;
  options.engine.sequences_max = 32;
  options.engine.warm = false;
  options.engine.patience_ms = 20'000;  // a sanitizer's second is short
  return options;
}

/// A host, the models that a test takes in, the pool they tokenise on, and the loop of a caller.
struct GpuRig {
  Openings openings;
  GpuSupervisorOptions options = fast_options();
  runtime::Metrics metrics;
  ModelPool pool{2};
  asio::io_context loop{1};
  std::shared_ptr<GpuSupervisor> supervisor;
  std::shared_ptr<HostedModel> hosted;  ///< of the model taken in last
  std::unique_ptr<GpuReranker> reranker;
  std::unique_ptr<GpuEmbedder> embedder;

  ~GpuRig() { pool.join(); }

  std::optional<kernels::DeviceError> add(Architecture architecture, bool required = false) {
    if (!supervisor)
      supervisor = std::make_shared<GpuSupervisor>(openings.opener(), options, &metrics);
    const auto model = tiny(architecture);
    auto added = GpuSupervisor::add(supervisor, model, required);
    hosted = added.hosted;
    if (architecture == Architecture::encoder)
      embedder = std::make_unique<GpuEmbedder>(model, pool, added.hosted);
    else
      reranker = std::make_unique<GpuReranker>(model, pool, added.hosted);
    return added.failure;
  }

  template <class R>
  R await(asio::awaitable<R> work) {
    std::optional<R> result;
    test::run_to_end(loop, keep(std::move(work), result));
    return std::move(*result);
  }

  /// Whether it comes true before half a minute has passed.
  template <class Condition>
  static bool comes_true(Condition condition) {
    for (int i = 0; i < 15'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return condition();
  }
  static bool comes_back(const HostedModel& of) {
    return comes_true([&] { return of.is_on(); });
  }

  /// A metric's value, as /metrics shows it; -1 when it is not there.
  double metric(const std::string& name) const {
    const auto text = "\n" + metrics.render();
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

 private:
  template <class R>
  static asio::awaitable<void> keep(asio::awaitable<R> work, std::optional<R>& result) {
    result = co_await std::move(work);
  }
};

/// Holds back whatever a device computes until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(guard_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void close() {
    const std::lock_guard lock(guard_);
    open_ = false;
    waiting_ = 0;
  }
  void open() {
    const std::lock_guard lock(guard_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_work() {
    std::unique_lock lock(guard_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

/// Texts of `words` words, each another one.
inline std::string text_of(std::size_t seed, std::size_t words) {
  static const char* const some[]{"the", "red", "planet", "is", "mars", "?", ",", "a", "q", "z"};
  std::string text;
  for (std::size_t i = 0; i < words; ++i) text += std::string(some[(seed * 7 + i * i) % 10]) + " ";
  return text;
}

inline std::vector<std::string> texts_of(std::size_t count, std::size_t seed = 0) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(text_of(seed + i, (seed + i * 5) % 23));
  return texts;
}

/// The logits that double precision gives.
inline std::vector<float> true_scores(const std::string& query,
                                      const std::vector<std::string>& passages) {
  static const auto model = load_tiny(Architecture::cross_encoder, Backend::reference);
  PackedBatch batch;
  for (const auto& passage : passages) {
    const auto pair = model->tokenizer.encode_pair(query, passage, model->info.tokens_max);
    batch.add(pair.ids, pair.segment_b);
  }
  std::vector<float> scores(passages.size());
  model->encoder->score(batch, [] { return true; }, scores);
  return scores;
}

inline double worst(const std::vector<float>& got, const std::vector<float>& wanted) {
  if (got.size() != wanted.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    most = std::isfinite(got[i]) ? std::max(most, std::abs(double(got[i]) - wanted[i])) : 1e9;
  return most;
}

}  // namespace memseal::model::testing
