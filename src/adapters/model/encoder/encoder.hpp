#pragma once
// What the CPU backend, the reference backend and the blocking GPU encoder have in common. The
// service's path to a GPU is another one, gpu/hosted_model.hpp, because there no thread waits.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace memseal::model {

/// Sequences laid end to end without padding. Sequence i is ids[starts[i], starts[i + 1]), from
/// [CLS] to [SEP]; its tokens from index segment_b[i] on (counted in the sequence) have type 1.
struct PackedBatch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> starts{0};
  std::vector<std::size_t> segment_b;

  /// `second`: index of the first token of type 1; the sequence's length if there is none.
  void add(std::span<const std::int32_t> tokens, std::size_t second) {
    ids.insert(ids.end(), tokens.begin(), tokens.end());
    starts.push_back(ids.size());
    segment_b.push_back(second);
  }
  void add(std::span<const std::int32_t> tokens) { add(tokens, tokens.size()); }

  std::size_t size() const noexcept { return segment_b.size(); }
  std::size_t length(std::size_t i) const noexcept { return starts[i + 1] - starts[i]; }
  std::span<const std::int32_t> tokens(std::size_t i) const noexcept {
    return std::span(ids).subspan(starts[i], length(i));
  }
};

/// Asked every few milliseconds of work; false ends the work at once.
using ShouldContinue = std::function<bool()>;

/// One BERT and the arithmetic that computes it.
/// Thread: immutable; any number of threads at once. One call is one thread's work.
/// REQUIRES: ids are below the vocabulary's size, and a sequence has 2 tokens to the model's
/// positions (asserted).
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual std::string_view backend() const noexcept = 0;
  /// The instruction set that was chosen at run time, or the GPU.
  virtual std::string_view isa() const noexcept = 0;
  /// Writes the mean of each sequence's last states with L2 norm 1: out[size, hidden].
  /// False when `should_continue` ended the call: `out` is then unspecified.
  virtual bool embed(const PackedBatch& batch, const ShouldContinue& should_continue,
                     std::span<float> out) const = 0;
  /// Writes classifier(tanh(pooler(first state))) of each sequence, a raw logit: out[size].
  /// False as for embed(). REQUIRES: the model is a cross-encoder (asserted).
  virtual bool score(const PackedBatch& batch, const ShouldContinue& should_continue,
                     std::span<float> out) const = 0;
};

}  // namespace memseal::model
