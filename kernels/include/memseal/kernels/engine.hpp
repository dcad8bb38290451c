#pragma once
// A BERT forward pass on a GPU, behind types that no CUDA header is needed for.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace memseal::kernels {

/// Why a device does not do what it was asked for.
enum class Fault {
  not_built,    ///< this program was built without CUDA
  no_driver,    ///< no NVIDIA driver, or one older than the CUDA runtime
  no_device,    ///< a driver, but no GPU of that number
  too_old,      ///< compute capability below 8.0
  unsupported,  ///< a model of a shape that the kernels do not compute
  out_of_memory,
  lost,      ///< fell off, hangs, or its context is broken: all it held is gone
  internal,  ///< anything else that CUDA said
};

const char* fault_name(Fault fault) noexcept;

class DeviceError : public std::runtime_error {
 public:
  DeviceError(Fault fault, const std::string& message)
      : std::runtime_error(message), fault_(fault) {}
  Fault fault() const noexcept { return fault_; }

 private:
  Fault fault_;
};

struct DeviceInfo {
  std::string name;    ///< e.g. "NVIDIA H200"
  int capability = 0;  ///< 10 * major + minor, e.g. 90
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t memory_free_bytes = 0;  ///< when it was opened
  int driver = 0, runtime = 0;        ///< CUDA versions, e.g. 13000
};

class Device;

/// Opens GPU `ordinal` of this process and checks that it can compute.
/// Throws DeviceError: not_built, no_driver, no_device, too_old, out_of_memory, lost, internal.
std::shared_ptr<Device> open_cuda(int ordinal = 0);

/// Lives as long as the device.
const DeviceInfo& info_of(const Device& device) noexcept;

/// What a BERT looks like; sizes in elements.
struct Shape {
  std::size_t hidden = 0;  ///< at most 1,024, a multiple of 8
  std::size_t heads = 0;   ///< of 32 or 64 elements each
  std::size_t layers = 0;
  std::size_t intermediate = 0;  ///< a multiple of 8
  std::size_t vocabulary = 0;
  std::size_t positions = 0;  ///< longest sequence, at most 512
  std::size_t token_types = 2;
  float layer_norm_eps = 1e-12f;
  bool cross_encoder = false;  ///< pooler and classifier; otherwise mean pooling

  std::size_t head_size() const noexcept { return heads == 0 ? 0 : hidden / heads; }
};

/// Throws DeviceError{unsupported}, saying what, unless the kernels compute this shape.
void check_shape(const Shape& shape);

/// One tensor of a BERT in the layout of its published files: a weight is [out, in].
enum class Part {
  words,
  positions,
  types,
  norm_gain,
  norm_bias,  // of the embeddings
  query,
  query_bias,
  key,
  key_bias,
  value,
  value_bias,  // of a layer, from here on
  attention_out,
  attention_out_bias,
  attention_norm_gain,
  attention_norm_bias,
  intermediate,
  intermediate_bias,
  out,
  out_bias,
  out_norm_gain,
  out_norm_bias,
  pooler,
  pooler_bias,
  classifier,
  classifier_bias,  // of a cross-encoder's head
};

/// Reads a part; `layer` counts from 0 and is 0 for parts that are not of a layer.
using ReadPart = std::function<std::vector<float>(Part part, std::size_t layer)>;

/// Sequences end to end. Sequence i is ids[starts[i], starts[i + 1]); its tokens from index
/// segment_b[i] on (counted in the sequence) have type 1. Each holds 1 to Shape::positions tokens.
struct Batch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> starts{0};
  std::vector<std::size_t> segment_b;

  std::size_t size() const noexcept { return segment_b.size(); }
  std::size_t length(std::size_t i) const noexcept { return starts[i + 1] - starts[i]; }
};

struct EngineOptions {
  std::size_t lanes = 2;             ///< batches that the device computes at once
  std::size_t batch_tokens = 8'192;  ///< requests share a batch up to this many
  std::size_t sequences_max = 128;   ///< of one batch
  bool graphs = true;                ///< replay captured graphs; false: a launch each kernel
  bool warm = true;                  ///< capture the common sizes before the first request
  /// A batch that takes longer makes the device count as lost. Milliseconds.
  unsigned patience_ms = 2'000;
};

/// What an engine did since it was made.
struct EngineCounters {
  std::uint64_t requests = 0, batches = 0;
  std::uint64_t shared_batches = 0;  ///< of those, the ones of more than one request
  std::uint64_t dropped = 0;         ///< requests that nobody wanted any more when their turn came
  std::uint64_t captures = 0;        ///< graphs captured, warming included
  std::size_t waiting = 0;           ///< requests without a lane now
  std::size_t device_bytes = 0;      ///< weights, arenas and workspaces
};

/// One request. `done` is called exactly once, on the caller's thread or another one, with the
/// values or with what failed; it must be quick, must not throw and must not destroy the engine.
struct Request {
  /// A score for each sequence (a cross-encoder: raw logits), or `hidden` numbers of L2 norm 1.
  using Done = std::function<void(std::vector<float> values, std::exception_ptr failure)>;
  Batch batch;  ///< not empty; ids below the vocabulary's size
  Done done;
  std::function<bool()> wanted;  ///< asked when its turn comes; empty: always
  bool urgent = false;           ///< goes before what is not
};

/// One model on one device. Any thread may call; the device works meanwhile.
/// A request that finds a lane free starts at once on the caller's thread. While all lanes are
/// busy requests wait and then share batches; one that is larger than a batch takes several.
/// After a fault that the device does not survive every request fails with it: make a new engine.
class Engine {
 public:
  /// Uploads the weights in fp16 and makes the lanes. Throws DeviceError.
  Engine(std::shared_ptr<Device> device, const Shape& shape, const ReadPart& read,
         const EngineOptions& options = {});
  /// Fails what waits, then waits for what runs, no longer than the patience.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Never throws for a device's fault: `done` hears of it.
  void submit(Request request);
  /// submit() and wait; for start-up, tools and tests. Throws what failed.
  std::vector<float> run(Batch batch);

  /// Somebody does not come back from inside it: it is kept, whole, until the process ends, and its
  /// device is not opened once more. Instead of the destructor; nothing else may be called after.
  static void abandon(std::unique_ptr<Engine> engine) noexcept;

  const DeviceInfo& device() const noexcept;
  EngineCounters counters() const;
  /// What made it unusable, or null. Once set it stays.
  std::exception_ptr failure() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace memseal::kernels
