#include "adapters/model/checkpoint/tokenizer_file.hpp"

#include "adapters/model/checkpoint/json_fields.hpp"

#include "pure/codec/json.hpp"

#include <utility>
#include <vector>

namespace memseal::model {

namespace {

namespace json = boost::json;

constexpr std::size_t tokens_max = 1u << 20;

bool is_kind(const json::value* part, std::string_view kind) {
  if (part == nullptr || !part->is_object()) return false;
  const auto* type = part->get_object().if_contains("type");
  return type != nullptr && type->is_string() && type->get_string() == kind;
}

/// Absent and null mean on, as in BERT's own tokenizer.
bool is_off(const json::object& object, std::string_view key) {
  const auto* flag = object.if_contains(key);
  return flag != nullptr && flag->is_bool() && !flag->get_bool();
}

/// What a WordPiece model may set and pure/text does not: BERT's value is the only one. Absent and
/// null mean that value, as in the library that writes the file.
Result<void> check_choice(const JsonFields& fields, std::string_view key, const json::value& only) {
  const auto* given = fields.find("model")->get_object().if_contains(key);
  if (given == nullptr || given->is_null() || *given == only) return {};
  return unsupported(fields.file(), "has \"" + std::string(key) + "\" " +
                                        codec::compact_json(*given) + "; choose a model with " +
                                        codec::compact_json(only));
}

// The tokenizer of pure/text computes this one kind. Another normaliser gives other ids, and the
// model would read wrong words without any error.
Result<void> check_parts(const JsonFields& fields) {
  const auto* normalizer = fields.find("normalizer");
  if (!is_kind(fields.find("model"), "WordPiece") || !is_kind(normalizer, "BertNormalizer") ||
      !is_kind(fields.find("pre_tokenizer"), "BertPreTokenizer"))
    return unsupported(fields.file(),
                       "is no BERT WordPiece tokenizer; choose a model that has one");
  for (const std::string_view key :
       {"lowercase", "clean_text", "handle_chinese_chars", "strip_accents"})
    if (is_off(normalizer->get_object(), key))
      return unsupported(fields.file(), "has \"" + std::string(key) +
                                            "\" off; choose an uncased model");
  for (const auto& [key, only] :
       {std::pair<std::string_view, json::value>("continuing_subword_prefix", "##"),
        {"max_input_chars_per_word", 100},
        {"unk_token", "[UNK]"}})
    if (const auto known = check_choice(fields, key, only); !known) return known.error();
  return {};
}

}  // namespace

Result<void> check_tokenizer(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  return check_parts(*fields);
}

Result<std::string> vocabulary_of_tokenizer(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  if (const auto known = check_parts(*fields); !known) return known.error();
  const auto* vocabulary = fields->find("model")->get_object().if_contains("vocab");
  if (vocabulary == nullptr || !vocabulary->is_object() ||
      vocabulary->get_object().size() > tokens_max)
    return invalid(file, "has no vocabulary; fetch the model again");

  // Sorted by id. As many lines as tokens, each id within them and none twice: so every line is
  // filled, and an empty line means "not yet".
  std::vector<std::string_view> lines(vocabulary->get_object().size());
  for (const auto& [token, id] : vocabulary->get_object()) {
    boost::system::error_code code;
    const auto line = id.is_number() && !id.is_double() ? id.to_number<std::uint64_t>(code)
                                                        : lines.size();
    if (code || line >= lines.size() || !lines[line].empty() || token.empty() ||
        token.find('\n') != std::string_view::npos)
      return invalid(file, "has a vocabulary whose ids are not 0, 1, 2 …; fetch the model again");
    lines[line] = token;
  }
  std::string content;
  for (const auto line : lines) content.append(line).push_back('\n');
  return content;
}

}  // namespace memseal::model
