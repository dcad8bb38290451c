#pragma once
// A BERT forward pass on a GPU, behind types that need no CUDA header.
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

/// Why a device cannot do what it was asked for.
enum class Fault {
  not_built,    ///< this program was built without CUDA
  no_driver,    ///< no NVIDIA driver, or one older than the CUDA runtime
  no_device,    ///< a driver, but no GPU of that number
  too_old,      ///< compute capability below 8.0
  unsupported,  ///< a model of a shape that the kernels do not compute
  out_of_memory,
  lost,      ///< fell off the bus, hangs, or has a broken context: all that it held is gone
  restart,   ///< this process can use the GPU no more, and another one can
  internal,  ///< any other error of CUDA
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

/// Opens GPU `ordinal` of this process and checks that it can compute. Callers that hold the device
/// at the same time share it. Throws DeviceError: not_built, no_driver, no_device, too_old,
/// out_of_memory, lost, restart, internal.
std::shared_ptr<Device> open_cuda(int ordinal = 0);

/// Lifetime: the result lives as long as `device`.
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

/// Throws DeviceError{unsupported}, which names the reason, if the kernels cannot compute `shape`.
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

/// Reads a part. `layer` counts from 0, and is 0 for parts that belong to no layer.
using ReadPart = std::function<std::vector<float>(Part part, std::size_t layer)>;

/// Sequences end to end. Sequence i is ids[starts[i], starts[i + 1]).
/// Its tokens from index segment_b[i] on, counted from the sequence's start, have type 1.
/// REQUIRES: each sequence holds 1 to Shape::positions tokens.
struct Batch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> starts{0};
  std::vector<std::size_t> segment_b;

  std::size_t size() const noexcept { return segment_b.size(); }
  std::size_t length(std::size_t i) const noexcept { return starts[i + 1] - starts[i]; }
};

struct EngineOptions {
  std::size_t lanes = 2;             ///< batches that the device computes at the same time
  std::size_t batch_tokens = 8'192;  ///< requests share a batch up to this many
  std::size_t sequences_max = 128;   ///< of one batch
  bool graphs = true;                ///< replay captured graphs; false: one launch for each kernel
  bool warm = true;                  ///< capture the common sizes before the first request
  /// Milliseconds. A batch that takes longer makes the device count as lost. What comes before it
  /// runs does not count: loading code, choosing products, capturing.
  unsigned patience_ms = 2'000;
  /// Milliseconds. What takes longer counts as hung, and this process opens the device no more: a
  /// thread inside the driver, or a batch. Long, because another process may hold the device.
  unsigned hang_ms = 30'000;
};

/// What an engine has done since it was made.
struct EngineCounters {
  std::uint64_t requests = 0, batches = 0;
  std::uint64_t shared_batches = 0;  ///< batches of more than one request
  std::uint64_t dropped = 0;         ///< requests whose caller had left before their turn came
  std::uint64_t captures = 0;        ///< graphs captured, warming included
  std::size_t waiting = 0;           ///< requests that wait for a lane now
  std::size_t device_bytes = 0;      ///< weights, arenas and workspaces
};

/// One request.
/// `done` is called exactly once, with the values or with the failure, on the caller's thread or on
/// one of the engine, never on one of the device's driver.
/// REQUIRES: `done` is quick, does not throw, and does not destroy the engine.
struct Request {
  /// A cross-encoder: one raw logit for each sequence. Otherwise `hidden` numbers of L2 norm 1
  /// each.
  using Done = std::function<void(std::vector<float> values, std::exception_ptr failure)>;
  Batch batch;  ///< not empty; ids below the vocabulary's size
  Done done;
  std::function<bool()> wanted;  ///< called when its turn comes; false drops it; empty: always true
  bool urgent = false;           ///< goes before requests that are not urgent
};

/// One model on one device.
/// A request that finds a lane free starts at once on the caller's thread. While all lanes are
/// busy, requests wait, and then share batches. A request larger than a batch takes several. After
/// a fault that the device does not survive, every request fails with that fault: make a new
/// engine.
/// Thread: any.
class Engine {
 public:
  /// Uploads the weights in fp16 and makes the lanes. Blocks. Throws DeviceError.
  Engine(std::shared_ptr<Device> device, const Shape& shape, const ReadPart& read,
         const EngineOptions& options = {});
  /// Fails the requests that wait, then waits for those that run, at most until a batch has taken
  /// `hang_ms`.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// A fault of the device is reported through `done`, never thrown.
  /// Throws std::invalid_argument for a batch that the model cannot read.
  void submit(Request request);
  /// submit() and wait, for start-up, tools and tests. Throws the failure.
  std::vector<float> run(Batch batch);

  /// Call instead of the destructor when a thread is stuck inside the driver. Leaks the engine on
  /// purpose, because the stuck thread may still touch it, and marks its device as unusable for the
  /// rest of the process. REQUIRES: no other call afterwards.
  static void abandon(std::unique_ptr<Engine> engine) noexcept;

  const DeviceInfo& device() const noexcept;
  /// The code that computes each size of matrix product, a line each; for reports.
  std::vector<std::string> products() const;
  EngineCounters counters() const;
  /// What made the engine unusable, or null. Once set, never cleared.
  std::exception_ptr failure() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace memseal::kernels
