#pragma once
// Writes small random BERT directories, sound and damaged, for the tests of module model.
#include "support/temp_directory.hpp"

#include "adapters/model/checkpoint/bert_config.hpp"

#include <cstddef>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace memseal::model::testing {

using test::TempDirectory;

inline void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One tensor to be written: raw little-endian bytes.
struct RawTensor {
  std::string dtype;
  std::vector<std::size_t> shape;
  std::string bytes;
};
using RawTensors = std::map<std::string, RawTensor>;

inline std::uint16_t narrow_bf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// IEEE 754 binary16, to nearest even: 10 bits of fraction, subnormal below 2^-14.
inline std::uint16_t narrow_f16(float value) {
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (!(size < 65520.0f)) return static_cast<std::uint16_t>(sign | 0x7c00);
  if (size < 0x1p-14f)
    return static_cast<std::uint16_t>(sign | static_cast<int>(std::nearbyint(size * 0x1p24f)));
  int exponent;
  const float fraction = std::frexp(size, &exponent);  // in [0.5, 1)
  const int digits = static_cast<int>(std::nearbyint(fraction * 2048.0f)) - 1024;
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + digits));
}

inline std::string to_bytes(const std::vector<float>& values, const std::string& dtype) {
  std::string bytes;
  for (const float value : values) {
    if (dtype == "F32") {
      bytes.append(reinterpret_cast<const char*>(&value), 4);
      continue;
    }
    const auto half = dtype == "F16" ? narrow_f16(value) : narrow_bf16(value);
    bytes.append(reinterpret_cast<const char*>(&half), 2);
  }
  return bytes;
}

inline std::string with_length(const std::string& header) {
  std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header;
}

/// The header of a safetensors file, in the order of the names.
inline std::string header_of(const RawTensors& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    std::string shape;
    for (const auto extent : tensor.shape)
      shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    header += ",\"" + name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + tensor.bytes.size()) + "]}";
    offset += tensor.bytes.size();
  }
  return header + "}";
}

inline std::string safetensors_of(const RawTensors& tensors) {
  auto file = with_length(header_of(tensors));
  for (const auto& [name, tensor] : tensors) file += tensor.bytes;
  return file;
}

struct ModelSpec {
  Architecture architecture = Architecture::encoder;
  std::size_t hidden = 32, layers = 2, heads = 2, intermediate = 64, positions = 512;
  std::size_t rows = 96;               ///< of the word table; the vocabulary has fewer words
  std::string prefix = "";             ///< "" or "bert."
  std::string dtype = "F32";
  bool old_norm_names = false;
  unsigned seed = 1;
};

inline std::string vocabulary_text() {
  std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) text += std::string(1, c) + "\n";
  for (char c = 'a'; c <= 'z'; ++c) text += "##" + std::string(1, c) + "\n";
  for (const char* word : {"the", "red", "planet", "is", "mars", "?", ".", ","})
    text += std::string(word) + "\n";
  return text;
}

inline std::string config_json(const ModelSpec& spec) {
  const auto number = [](const char* key, std::size_t value) {
    return std::string(",\"") + key + "\":" + std::to_string(value);
  };
  std::string json = std::string("{\"architectures\":[\"") +
                     std::string(architecture_name(spec.architecture)) +
                     "\"],\"model_type\":\"bert\",\"hidden_act\":\"gelu\","
                     "\"layer_norm_eps\":1e-12,\"position_embedding_type\":\"absolute\"";
  json += number("hidden_size", spec.hidden) + number("num_hidden_layers", spec.layers) +
          number("num_attention_heads", spec.heads) +
          number("intermediate_size", spec.intermediate) +
          number("max_position_embeddings", spec.positions) + number("type_vocab_size", 2) +
          number("vocab_size", spec.rows);
  if (spec.architecture == Architecture::cross_encoder)
    json += R"(,"id2label":{"0":"LABEL_0"})";
  return json + "}";
}

/// Random weights, of a size that makes attention and GELU leave their linear part.
inline RawTensors random_tensors(const ModelSpec& spec) {
  std::mt19937 random(spec.seed);
  RawTensors tensors;
  const auto add = [&](const std::string& name, std::vector<std::size_t> shape, float centre,
                       float spread) {
    std::size_t count = 1;
    for (const auto extent : shape) count *= extent;
    std::normal_distribution<float> normal(centre, spread);
    std::vector<float> values(count);
    for (auto& value : values) value = normal(random);
    tensors[name] = {spec.dtype, std::move(shape), to_bytes(values, spec.dtype)};
  };
  const auto dense = [&](const std::string& name, std::size_t out, std::size_t in) {
    add(name + ".weight", {out, in}, 0, 1.5f / std::sqrt(static_cast<float>(in)));
    add(name + ".bias", {out}, 0, 0.1f);
  };
  const auto norm = [&](const std::string& name) {
    add(name + (spec.old_norm_names ? ".gamma" : ".weight"), {spec.hidden}, 1, 0.1f);
    add(name + (spec.old_norm_names ? ".beta" : ".bias"), {spec.hidden}, 0, 0.1f);
  };
  const auto& at = spec.prefix;
  add(at + "embeddings.word_embeddings.weight", {spec.rows, spec.hidden}, 0, 1);
  add(at + "embeddings.position_embeddings.weight", {spec.positions, spec.hidden}, 0, 0.5f);
  add(at + "embeddings.token_type_embeddings.weight", {2, spec.hidden}, 0, 0.5f);
  norm(at + "embeddings.LayerNorm");
  for (std::size_t i = 0; i < spec.layers; ++i) {
    const auto layer = at + "encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"})
      dense(layer + "attention.self." + part, spec.hidden, spec.hidden);
    dense(layer + "attention.output.dense", spec.hidden, spec.hidden);
    norm(layer + "attention.output.LayerNorm");
    dense(layer + "intermediate.dense", spec.intermediate, spec.hidden);
    dense(layer + "output.dense", spec.hidden, spec.intermediate);
    norm(layer + "output.LayerNorm");
  }
  dense(at + "pooler.dense", spec.hidden, spec.hidden);
  if (spec.architecture == Architecture::cross_encoder) dense("classifier", 1, spec.hidden);
  tensors[at + "embeddings.position_ids"] = {"I64", {1, spec.positions},
                                             std::string(8 * spec.positions, '\0')};
  return tensors;
}

inline void write_model(const std::filesystem::path& directory, const ModelSpec& spec) {
  write_file(directory / "config.json", config_json(spec));
  write_file(directory / "vocab.txt", vocabulary_text());
  write_file(directory / "model.safetensors", safetensors_of(random_tensors(spec)));
}

}  // namespace memseal::model::testing
