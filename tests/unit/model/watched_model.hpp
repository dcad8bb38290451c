#pragma once
// A small random model whose encoder tells a test what it is asked.
#include "adapters/model/cpu/encoder_cpu.hpp"
#include "adapters/model/encoder/loaded_model.hpp"
#include "support/model_files.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace memseal::model::testing {

/// Tokens of each sequence of each call.
using Calls = std::vector<std::vector<std::size_t>>;

class WatchedEncoder final : public Encoder {
 public:
  std::unique_ptr<Encoder> real;
  /// On the calling thread, before the work: the call's number, from 1 on.
  std::function<void(std::size_t number, const ShouldContinue& should_continue)> before =
      [](std::size_t, const ShouldContinue&) {};
  /// After it.
  std::function<void(const PackedBatch&, std::span<float> out)> after = [](const PackedBatch&,
                                                                           std::span<float>) {};

  std::string_view backend() const noexcept override { return real->backend(); }
  std::string_view isa() const noexcept override { return real->isa(); }
  bool embed(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    before(note(batch), should_continue);
    const bool done = real->embed(batch, should_continue, out);
    after(batch, out);
    return done;
  }
  bool score(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    before(note(batch), should_continue);
    const bool done = real->score(batch, should_continue, out);
    after(batch, out);
    return done;
  }
  Calls calls() const {
    const std::lock_guard lock(guard_);
    return calls_;
  }

 private:
  std::size_t note(const PackedBatch& batch) const {
    std::vector<std::size_t> lengths;
    for (std::size_t i = 0; i < batch.size(); ++i) lengths.push_back(batch.length(i));
    const std::lock_guard lock(guard_);
    calls_.push_back(std::move(lengths));
    return calls_.size();
  }

  mutable std::mutex guard_;
  mutable Calls calls_;
};

/// A model and its encoder, which lives in it.
struct WatchedModel {
  std::shared_ptr<const LoadedModel> model;
  WatchedEncoder* encoder;
};

inline WatchedModel watched_model(const ModelSpec& spec) {
  const TempDirectory directory;
  write_model(directory.path(), spec);
  auto weights = MappedFile::open(directory.path() / "model.safetensors").value();
  auto config = BertConfig::parse(config_json(spec)).value();
  const auto parsed = Safetensors::parse(weights.bytes()).value();
  auto watched = std::make_unique<WatchedEncoder>();
  watched->real = make_cpu_encoder(config, BertTensors::find(parsed, config).value());
  auto* const encoder = watched.get();
  ModelInfo info;
  info.name = "watched";
  info.hidden = spec.hidden;
  info.tokens_max = spec.positions;
  return {std::make_shared<const LoadedModel>(LoadedModel{
              Checkpoint{.config = config,
                         .tokenizer = text::WordPiece::from_vocabulary(vocabulary_text()).value(),
                         .weights = std::move(weights),
                         .info = info},
              std::move(watched)}),
          encoder};
}

}  // namespace memseal::model::testing
