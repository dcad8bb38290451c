#pragma once
// A random BERT in memory, for tests of encoders.
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/reference_encoder.hpp"
#include "adapters/model/encoder/encoder.hpp"
#include "support/model_files.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace memseal::model::testing {

inline bool always() { return true; }

/// Its weights depend on the spec alone.
struct RandomBert {
  ModelSpec spec;
  std::string file;
  BertConfig config;
  Safetensors parsed;
  BertTensors tensors;

  explicit RandomBert(const ModelSpec& wanted)
      : spec(wanted), file(safetensors_of(random_tensors(wanted))),
        config(BertConfig::parse(config_json(wanted)).value()),
        parsed(Safetensors::parse(std::as_bytes(std::span(file))).value()),
        tensors(BertTensors::find(parsed, config).value()) {}

  std::unique_ptr<Encoder> reference() const { return make_reference_encoder(config, tensors); }

  /// One score a sequence, or `hidden` numbers a sequence.
  std::vector<float> run(const Encoder& encoder, const PackedBatch& batch) const {
    const bool scores = spec.architecture == Architecture::cross_encoder;
    std::vector<float> out(batch.size() * (scores ? 1 : config.hidden), -99.0f);
    EXPECT_TRUE(scores ? encoder.score(batch, always, out) : encoder.embed(batch, always, out));
    return out;
  }
};

inline std::vector<std::int32_t> random_ids(std::size_t length, std::size_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(length);
  for (auto& id : ids) id = static_cast<std::int32_t>(random() % rows);
  return ids;
}

/// Sequences of random token ids below `rows`; the last two thirds of each are segment B.
inline PackedBatch batch_of(const std::vector<std::size_t>& lengths, std::size_t rows) {
  PackedBatch batch;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    batch.add(random_ids(lengths[i], rows, static_cast<unsigned>(100 + i)), lengths[i] / 3 + 1);
  return batch;
}

}  // namespace memseal::model::testing
