#include "adapters/model/checkpoint/checkpoint.hpp"

#include "adapters/model/checkpoint/json_fields.hpp"
#include "adapters/model/checkpoint/tokenizer_file.hpp"

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
Result<void> check_if_present(const fs::path& path, std::size_t bytes_max, Check check) {
  std::error_code code;
  if (!fs::exists(path, code)) return {};
  const auto text = read_text(path, bytes_max);
  if (!text) return text.error();
  return check(*text, path.string());
}

Result<text::WordPiece> read_tokenizer(const fs::path& directory) {
  const auto whole = directory / "tokenizer.json";
  const auto lines = directory / "vocab.txt";
  std::error_code code;
  if (const auto known = check_if_present(directory / "tokenizer_config.json", json_bytes_max,
                                          check_tokenizer_config);
      !known)
    return known.error();
  fs::path used = lines;
  Result<std::string> vocabulary = std::string();
  // vocab.txt wins where both exist, because its lines are exactly what the tokenizer reads.
  // tokenizer.json is checked all the same: only it may say that the model keeps case or accents.
  if (fs::exists(lines, code)) {
    if (const auto known = check_if_present(whole, vocabulary_bytes_max, check_tokenizer); !known)
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
  auto tokenizer = text::WordPiece::from_vocabulary(*vocabulary);
  if (!tokenizer)
    return Error{tokenizer.error().code, used.string() + ": " + tokenizer.error().message};
  return tokenizer;
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
  // The head of a cross-encoder reads the first state, so no pooling is configured.
  if (config.architecture == Architecture::cross_encoder)
    return std::min(config.positions, cross_encoder_tokens_max);
  for (const auto& known :
       {check_if_present(directory / "1_Pooling" / "config.json", json_bytes_max, check_pooling),
        check_if_present(directory / "modules.json", json_bytes_max, check_modules)})
    if (!known) return known.error();
  std::size_t length = 0;
  const auto known = check_if_present(directory / "sentence_bert_config.json", json_bytes_max,
                                      [&length](std::string_view text, const std::string& file) {
                                        const auto read = parse_max_seq_length(text, file);
                                        if (!read) return Result<void>(read.error());
                                        length = *read;
                                        return Result<void>();
                                      });
  if (!known) return known.error();
  // sentence-transformers may limit inputs to less than the table of positions holds.
  return length == 0 ? config.positions : std::min(length, config.positions);
}

Result<void> check_directory(const fs::path& directory) {
  std::error_code code;
  if (fs::is_directory(directory, code)) return {};
  return Error{Errc::no_model, directory.string() +
                                   ": no such directory; fetch the model or correct its path"};
}

fs::path weights_of(const fs::path& directory) { return directory / "model.safetensors"; }

ModelInfo info_of(const fs::path& directory, const BertConfig& config,
                  const text::WordPiece& tokenizer, const BertTensors& tensors) {
  std::error_code code;
  // The canonical path, because the last part of "model/" is empty.
  const auto canonical = fs::canonical(directory, code);
  ModelInfo info;
  info.name = (code ? directory : canonical).filename().string();
  info.architecture = architecture_name(config.architecture);
  info.layers = config.layers;
  info.hidden = config.hidden;
  info.heads = config.heads;
  info.vocabulary = tokenizer.vocabulary_size();
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

// Small files first, so that a wrong directory fails before the weights are read.
Result<Checkpoint> Checkpoint::read(const fs::path& directory, Architecture wanted) {
  if (const auto there = check_directory(directory); !there) return there.error();
  auto config = read_config(directory, wanted);
  if (!config) return config.error();
  const auto length = read_length(directory, *config);
  if (!length) return length.error();
  auto tokenizer = read_tokenizer(directory);
  if (!tokenizer) return tokenizer.error();
  // An id is a row of the word table. A greater vocabulary would make the encoders read beyond its
  // end.
  if (tokenizer->vocabulary_size() > config->vocabulary)
    return invalid((directory / "config.json").string(),
                   "has a \"vocab_size\" below the vocabulary's; fetch the model again");
  const auto path = weights_of(directory);
  auto weights = MappedFile::open(path);
  if (!weights) return weights.error();
  auto file = Safetensors::parse(weights->bytes(), path.string());
  if (!file) return file.error();
  auto tensors = BertTensors::find(*file, *config, path.string());
  if (!tensors) return tensors.error();
  auto info = info_of(directory, *config, *tokenizer, *tensors);
  info.tokens_max = *length;
  // The moves keep all pointers valid: the mapping keeps its address and the map of tensors its
  // nodes.
  return Checkpoint{*config,          std::move(*tokenizer), std::move(*weights),
                    std::move(*file), std::move(*tensors),   std::move(info)};
}

std::vector<std::int32_t> Checkpoint::sequence_of(std::span<const std::int32_t> token_ids) const {
  // Two places are for [CLS] and [SEP].
  const auto kept = token_ids.first(std::min(token_ids.size(), info.tokens_max - 2));
  std::vector<std::int32_t> ids{tokenizer.cls_id()};
  ids.reserve(kept.size() + 2);
  ids.insert(ids.end(), kept.begin(), kept.end());
  ids.push_back(tokenizer.sep_id());
  return ids;
}

Result<Architecture> architecture_of(const fs::path& directory) {
  if (const auto there = check_directory(directory); !there) return there.error();
  const auto path = directory / "config.json";
  const auto text = read_text(path, json_bytes_max);
  if (!text) return text.error();
  const auto config = BertConfig::parse(*text, path.string());
  if (!config) return config.error();
  return config->architecture;
}

Result<text::WordPiece> load_tokenizer(const fs::path& directory) {
  if (const auto there = check_directory(directory); !there) return there.error();
  return read_tokenizer(directory);
}

Result<ModelInfo> describe_model(const fs::path& directory) {
  const auto architecture = architecture_of(directory);
  if (!architecture) return architecture.error();
  const auto checkpoint = Checkpoint::read(directory, *architecture);
  if (!checkpoint) return checkpoint.error();
  // The check of every tensor has read the whole file.
  checkpoint->weights.drop_pages();
  return checkpoint->info;
}

}  // namespace memseal::model
