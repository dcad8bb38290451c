#pragma once
// Looking at a model directory without serving it: `memseal models` and `memseal bench`.
#include "adapters/model/checkpoint/model_info.hpp"
#include "adapters/model/encoder/load_options.hpp"
#include "adapters/model/gpu/device.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace memseal::model {

/// Reads and checks the files of a model of either architecture: configuration, tokenizer, and the
/// shape and finiteness of every tensor that is used. Packs nothing, so `backend` and `isa` stay
/// empty. Takes as long as reading the weights once.
/// Errors: as Checkpoint::read().
Result<ModelInfo> inspect(const std::filesystem::path& directory);

/// True for a model that scores pairs of texts, false for one that embeds texts.
bool is_cross_encoder(const ModelInfo& info) noexcept;

/// Forward passes over ready-made token ids, without tokenizer, queue or deadline.
class Workload {
 public:
  struct Loaded;

  /// Loads a model of either architecture: on a GPU when `options.device` finds one, and then the
  /// CPU packs nothing. Errors: as load_model().
  static Result<Workload> load(const std::filesystem::path& directory,
                               const LoadOptions& options = {});

  const ModelInfo& info() const noexcept;

  /// Replaces the batch by `count` sequences of `tokens` ids in all, specials included, drawn from
  /// the vocabulary: the same for the same arguments. A cross-encoder's have a question of a
  /// quarter of their length. `tokens` is brought into 4 … info().tokens_max.
  void draw(std::size_t count, std::size_t tokens);
  /// Replaces the batch by texts as the service would read them: a cross-encoder's with `query`
  /// before each.
  void take(std::string_view query, const std::vector<std::string_view>& texts);
  std::size_t sequences() const noexcept;
  std::size_t tokens() const noexcept;  ///< of all sequences together

  /// One pass of this thread over the batch: vectors side by side (an embedder) or logits (a
  /// cross-encoder). Any number of threads at once. `should_continue` is asked every few
  /// milliseconds, and only at the start where a GPU computes; when it ends the pass, the answer is
  /// empty. Throws Outage{unavailable} when the GPU fails.
  std::vector<float> run(const std::function<bool()>& should_continue = {}) const;

 private:
  explicit Workload(std::shared_ptr<Loaded> loaded);
  std::shared_ptr<Loaded> loaded_;
};

/// How far a backend of this machine is from the formulas in double precision.
struct Agreement {
  ModelInfo info;              ///< of the backend that was checked
  std::size_t sequences = 0;   ///< of the probe
  std::size_t tokens = 0;
  double delta_max = 0;        ///< greatest |backend − reference| over all numbers of the answer
  double tolerance = 0;        ///< a logit's grows with the greatest logit above 1
  bool finite = false;         ///< every number of the backend is
  bool agrees = false;         ///< finite, and delta_max within the tolerance
};

/// Loads `directory` strictly, runs one probe of texts of many lengths and scripts on the backend
/// that `options` asks for and on the reference backend (`progress`, when given, hears each step),
/// and compares. The reference takes about 2 ns for each parameter and token. Errors: as
/// Workload::load().
Result<Agreement> verify(const std::filesystem::path& directory,
                         const std::function<void(std::string_view)>& progress = {},
                         LoadOptions options = {});

}  // namespace memseal::model
