#include "adapters/model/encoder/loaded_model.hpp"

#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/checkpoint/json_fields.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"
#include "adapters/model/checkpoint/tokenizer_file.hpp"
#include "adapters/model/cpu/encoder_cpu.hpp"
#include "adapters/model/cpu/reference_encoder.hpp"
#include "adapters/model/gpu/blocking_encoder.hpp"
#include "adapters/model/gpu/faults.hpp"
#include "adapters/model/gpu/supervisor.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace memseal::model {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t json_bytes_max = 4u << 20, vocabulary_bytes_max = 64u << 20;
constexpr std::size_t cross_encoder_tokens_max = 512;

/// Reads a file that may be absent and hands it to `check(text, name)`.
template <class Check>
Result<void> if_there(const fs::path& path, std::size_t bytes_max, Check check) {
  std::error_code code;
  if (!fs::exists(path, code)) return {};
  const auto text = read_text(path, bytes_max);
  if (!text) return text.error();
  return check(*text, path.string());
}

Result<text::WordPiece> read_words(const fs::path& directory) {
  const auto whole = directory / "tokenizer.json";
  const auto lines = directory / "vocab.txt";
  std::error_code code;
  if (const auto known = if_there(directory / "tokenizer_config.json", json_bytes_max,
                                  check_tokenizer_config);
      !known)
    return known.error();
  fs::path used = lines;
  Result<std::string> vocabulary = std::string();
  if (fs::exists(lines, code)) {
    if (const auto known = if_there(whole, vocabulary_bytes_max, check_tokenizer); !known)
      return known.error();
    vocabulary = read_text(lines, vocabulary_bytes_max);
  } else if (fs::exists(whole, code)) {
    used = whole;
    const auto text = read_text(whole, vocabulary_bytes_max);
    if (!text) return text.error();
    vocabulary = vocabulary_of_tokenizer(*text, whole.string());
  } else {
    return Error{Errc::no_model, directory.string() +
                                     " has neither vocab.txt nor tokenizer.json; "
                                     "fetch the model again"};
  }
  if (!vocabulary) return vocabulary.error();
  auto words = text::WordPiece::from_vocabulary(*vocabulary);
  if (!words) return Error{words.error().code, used.string() + ": " + words.error().message};
  return words;
}

Result<BertConfig> read_config(const fs::path& directory, Architecture wanted) {
  const auto path = directory / "config.json";
  const auto text = read_text(path, json_bytes_max);
  if (!text) return text.error();
  auto config = BertConfig::parse(*text, path.string());
  if (config && config->architecture != wanted)
    return unsupported(path.string(), "describes a " +
                                          std::string(architecture_name(config->architecture)) +
                                          " where a " + std::string(architecture_name(wanted)) +
                                          " is needed; configure another model");
  return config;
}

/// The tokens that the model reads at once; checks what else shapes a sentence embedding.
Result<std::size_t> read_length(const fs::path& directory, const BertConfig& config) {
  if (config.architecture == Architecture::cross_encoder)
    return std::min(config.positions, cross_encoder_tokens_max);
  for (const auto& known :
       {if_there(directory / "1_Pooling" / "config.json", json_bytes_max, check_pooling),
        if_there(directory / "modules.json", json_bytes_max, check_modules)})
    if (!known) return known.error();
  std::size_t length = 0;
  const auto known = if_there(directory / "sentence_bert_config.json", json_bytes_max,
                              [&length](std::string_view text, const std::string& file) {
                                const auto read = parse_max_seq_length(text, file);
                                if (!read) return Result<void>(read.error());
                                length = *read;
                                return Result<void>();
                              });
  if (!known) return known.error();
  return length == 0 ? config.positions : std::min(length, config.positions);
}

/// A directory's files, read and checked; the weights only mapped.
struct Parts {
  BertConfig config;
  std::size_t length;
  text::WordPiece words;
  MappedFile file;
};

Result<void> is_there(const fs::path& directory) {
  std::error_code code;
  if (fs::is_directory(directory, code)) return {};
  return Error{Errc::no_model, directory.string() +
                                   ": no such directory; fetch the model or correct its path"};
}

fs::path weights_of(const fs::path& directory) { return directory / "model.safetensors"; }

Result<Parts> read_parts(const fs::path& directory, Architecture wanted) {
  if (const auto there = is_there(directory); !there) return there.error();
  auto config = read_config(directory, wanted);
  if (!config) return config.error();
  const auto length = read_length(directory, *config);
  if (!length) return length.error();
  auto words = read_words(directory);
  if (!words) return words.error();
  if (words->vocabulary_size() > config->vocabulary)
    return invalid((directory / "config.json").string(),
                   "has a \"vocab_size\" below the vocabulary's; fetch the model again");
  auto file = MappedFile::open(weights_of(directory));
  if (!file) return file.error();
  return Parts{*config, *length, std::move(*words), std::move(*file)};
}

/// oneDNN refuses bf16 on a CPU without AVX-512.
Result<std::unique_ptr<Encoder>> cpu_encoder(const Parts& parts, const BertTensors& tensors,
                                             const fs::path& path, Precision precision) {
  if (precision == Precision::bf16 && std::string_view(best_kernels().isa) != "avx512")
    return Error{Errc::model_unsupported,
                 path.string() + ": this CPU cannot compute in bf16; set the precision to fp32"};
  return make_cpu_encoder(parts.config, tensors, best_kernels(), precision);
}

struct Weights {
  Safetensors file;
  BertTensors tensors;
};

/// Checks every tensor.
Result<Weights> read_weights(const Parts& parts, const fs::path& path) {
  auto parsed = Safetensors::parse(parts.file.bytes(), path.string());
  if (!parsed) return parsed.error();
  auto tensors = BertTensors::find(*parsed, parts.config, path.string());
  if (!tensors) return tensors.error();
  return Weights{std::move(*parsed), std::move(*tensors)};
}

/// Null when there is no GPU and that is no error.
Result<std::unique_ptr<Encoder>> device_encoder(const BertConfig& config,
                                                const BertTensors& tensors, const ModelInfo& info,
                                                const LoadOptions& options) {
  try {
    if (options.host)
      return make_device_encoder(config, tensors, info.tokens_max, options.host->open(),
                                 options.host->engine_options());
    return make_device_encoder(config, tensors, info.tokens_max, kernels::open_cuda());
  } catch (const kernels::DeviceError& error) {
    if (options.device == Device::cuda) return refusal_of(error, info.name);
  }
  return std::unique_ptr<Encoder>();
}

Result<std::unique_ptr<Encoder>> make_encoder(const Parts& parts, const BertTensors& tensors,
                                              const fs::path& path, const ModelInfo& info,
                                              const LoadOptions& options) {
  if (options.backend == Backend::reference)
    return make_reference_encoder(parts.config, tensors);
  if (options.device != Device::cpu) {
    auto encoder = device_encoder(parts.config, tensors, info, options);
    if (!encoder || *encoder) return encoder;
  }
  return cpu_encoder(parts, tensors, path, options.precision);
}

ModelInfo info_of(const fs::path& directory, const Parts& parts, const BertTensors& tensors) {
  std::error_code code;
  const auto canonical = fs::canonical(directory, code);
  ModelInfo info;
  info.name = (code ? directory : canonical).filename().string();
  info.architecture = architecture_name(parts.config.architecture);
  info.layers = parts.config.layers;
  info.hidden = parts.config.hidden;
  info.heads = parts.config.heads;
  info.vocabulary = parts.words.vocabulary_size();
  info.tokens_max = parts.length;
  info.parameters = tensors.parameters;
  return info;
}

}  // namespace

std::string ModelInfo::describe() const {
  char size[32];
  std::snprintf(size, sizeof size, "%.1f M", static_cast<double>(parameters) / 1e6);
  return name + ": " + architecture + ", " + std::to_string(layers) + " layers x " +
         std::to_string(hidden) + ", " + size + " parameters, " + std::to_string(tokens_max) +
         " tokens, " + backend + "/" + isa;
}

Result<std::shared_ptr<const LoadedModel>> load_model(const fs::path& directory,
                                                      Architecture wanted,
                                                      const LoadOptions& options) {
  auto parts = read_parts(directory, wanted);
  if (!parts) return parts.error();
  auto weights = read_weights(*parts, weights_of(directory));
  if (!weights) return weights.error();
  auto info = info_of(directory, *parts, weights->tensors);
  if (options.tokens_max != 0)
    info.tokens_max = std::clamp<std::size_t>(options.tokens_max, 8, parts->length);
  auto encoder = make_encoder(*parts, weights->tensors, weights_of(directory), info, options);
  parts->file.drop_pages();
  if (!encoder) return encoder.error();
  info.backend = (*encoder)->backend();
  info.isa = (*encoder)->isa();
  return std::make_shared<const LoadedModel>(
      LoadedModel{parts->config, std::move(parts->words), std::move(parts->file),
                  std::move(weights->file), std::move(weights->tensors), std::move(*encoder),
                  std::move(info)});
}

Result<Architecture> architecture_of(const fs::path& directory) {
  if (const auto there = is_there(directory); !there) return there.error();
  const auto path = directory / "config.json";
  const auto text = read_text(path, json_bytes_max);
  if (!text) return text.error();
  const auto config = BertConfig::parse(*text, path.string());
  if (!config) return config.error();
  return config->architecture;
}

Result<text::WordPiece> load_words(const fs::path& directory) {
  if (const auto there = is_there(directory); !there) return there.error();
  return read_words(directory);
}

Result<ModelInfo> describe_model(const fs::path& directory) {
  const auto architecture = architecture_of(directory);
  if (!architecture) return architecture.error();
  const auto parts = read_parts(directory, *architecture);
  if (!parts) return parts.error();
  const auto weights = read_weights(*parts, weights_of(directory));
  parts->file.drop_pages();
  if (!weights) return weights.error();
  return info_of(directory, *parts, weights->tensors);
}

}  // namespace memseal::model
