#include "adapters/model/checkpoint/bert_config.hpp"

#include "adapters/model/checkpoint/json_fields.hpp"

#include <boost/json/array.hpp>

#include <cmath>
#include <initializer_list>
#include <utility>

namespace memseal::model {

namespace {

namespace json = boost::json;

// Above every published BERT. A product of two of these sizes fits into 64 bits, so a damaged
// config.json cannot make the size of a table wrap.
constexpr std::size_t width_max = 8'192, intermediate_max = 65'536, layers_max = 96;
constexpr std::size_t positions_max = 8'192, types_max = 16, vocabulary_max = 1u << 20;

std::string quoted(std::string_view key, std::string_view value) {
  return "has " + std::string(key) + " \"" + std::string(value) + "\"";
}

// The class name that Hugging Face saved the model with. It decides which tensors the file must
// have.
Result<Architecture> read_architecture(const JsonFields& fields) {
  const auto* list = fields.find("architectures");
  if (list == nullptr || !list->is_array() || list->get_array().size() != 1 ||
      !list->get_array()[0].is_string())
    return invalid(fields.file(), "does not name one architecture; fetch the model again");
  const std::string name(list->get_array()[0].get_string());
  if (name == "BertModel") return Architecture::encoder;
  if (name == "BertForSequenceClassification") return Architecture::cross_encoder;
  return unsupported(fields.file(), quoted("architecture", name) +
                                        "; choose a BertModel or a BertForSequenceClassification");
}

// A missing key means `only`, which is what Hugging Face takes as its default. Any other value
// changes the numbers: "gelu" is the exact form with erf, "gelu_new" an approximation by tanh.
Result<void> check_choice(const JsonFields& fields, std::string_view key, std::string_view only) {
  const auto value = fields.text_or(key, only);
  if (!value) return value.error();
  if (*value != only)
    return unsupported(fields.file(), quoted(key, *value) + "; choose a model with \"" +
                                          std::string(only) + "\"");
  return {};
}

// A special token is a text, or an object whose `content` is that text. The tokenizer finds its
// special tokens in the vocabulary by BERT's names alone.
Result<void> check_special_token(const JsonFields& fields, std::string_view key,
                                 std::string_view only) {
  const auto* token = fields.find(key);
  if (token != nullptr && token->is_object()) token = token->get_object().if_contains("content");
  if (token == nullptr || (token->is_string() && token->get_string() == only)) return {};
  return unsupported(fields.file(), "has a \"" + std::string(key) + "\" that is not \"" +
                                        std::string(only) + "\"; choose a model with BERT's own");
}

Result<void> check_labels(const JsonFields& fields) {
  const auto count = fields.size_or("num_labels", 1'000'000, 1);
  if (!count) return count.error();
  std::size_t labels = *count;
  // id2label wins, as in Hugging Face, which derives num_labels from it. If both are missing, the
  // shape of the classifier's tensor still shows how many labels there are.
  if (const auto* names = fields.find("id2label"); names != nullptr && names->is_object())
    labels = names->get_object().size();
  if (labels != 1)
    return unsupported(fields.file(), "has " + std::to_string(labels) +
                                          " labels; choose a cross-encoder with one");
  return {};
}

Result<void> check_kind(const JsonFields& fields) {
  for (const auto& [key, only] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"model_type", "bert"}, {"hidden_act", "gelu"},
           {"position_embedding_type", "absolute"}})
    if (const auto known = check_choice(fields, key, only); !known) return known.error();
  for (const std::string_view key : {"is_decoder", "add_cross_attention"}) {
    const auto flag = fields.flag_or(key, false);
    if (!flag) return flag.error();
    if (*flag)
      return unsupported(fields.file(), "has \"" + std::string(key) +
                                            "\" set; choose an encoder-only model");
  }
  return {};
}

}  // namespace

std::string_view architecture_name(Architecture architecture) noexcept {
  return architecture == Architecture::encoder ? "BertModel" : "BertForSequenceClassification";
}

Result<BertConfig> BertConfig::parse(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  const auto architecture = read_architecture(*fields);
  if (!architecture) return architecture.error();
  if (const auto known = check_kind(*fields); !known) return known.error();

  BertConfig config;
  config.architecture = *architecture;
  struct Size {
    std::string_view key;
    std::size_t greatest;
    std::size_t& value;
  };
  for (const auto& [key, greatest, value] :
       {Size{"hidden_size", width_max, config.hidden},
        Size{"num_hidden_layers", layers_max, config.layers},
        Size{"num_attention_heads", width_max, config.heads},
        Size{"intermediate_size", intermediate_max, config.intermediate},
        Size{"max_position_embeddings", positions_max, config.positions},
        Size{"vocab_size", vocabulary_max, config.vocabulary}}) {
    const auto size = fields->size(key, greatest);
    if (!size) return size.error();
    value = *size;
  }
  const auto types = fields->size_or("type_vocab_size", types_max, config.token_types);
  if (!types) return types.error();
  config.token_types = *types;
  const auto eps = fields->number_or("layer_norm_eps", config.layer_norm_eps);
  if (!eps) return eps.error();
  config.layer_norm_eps = *eps;

  if (!(*eps >= 0 && *eps <= 0.01))
    return invalid(file, "has a \"layer_norm_eps\" outside 0 to 0.01; fetch the model again");
  if (config.hidden % config.heads != 0)
    return invalid(file, "has a \"hidden_size\" that is no multiple of \"num_attention_heads\"");
  // An input holds [CLS], [SEP] twice and something of two texts.
  if (config.positions < 8) return unsupported(file, "reads fewer than 8 tokens");
  if (config.architecture == Architecture::cross_encoder) {
    if (const auto one = check_labels(*fields); !one) return one.error();
    if (config.token_types < 2)
      return unsupported(file, "has one token type; a cross-encoder needs two");
  }
  return config;
}

Result<void> check_pooling(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  const auto mean = fields->flag_or("pooling_mode_mean_tokens", false);
  if (!mean) return mean.error();
  // With several modes on, sentence-transformers joins their outputs into one longer vector.
  if (!*mean) return unsupported(file, "pools otherwise than by the mean; choose another model");
  for (const std::string_view key :
       {"pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
    const auto flag = fields->flag_or(key, false);
    if (!flag) return flag.error();
    if (*flag)
      return unsupported(file, "has \"" + std::string(key) +
                                   "\" beside the mean; choose a model that pools by the mean");
  }
  return {};
}

// Only the last part of the name is compared, because sentence-transformers has moved these classes
// between packages. A further module, a Dense for example, would change the vector.
Result<void> check_modules(std::string_view text, std::string_view file) {
  const auto value = parse_strict(text);
  if (!value) return invalid(file, value.error().message + "; fetch the model again");
  if (!value->is_array()) return invalid(file, "is not a JSON array; fetch the model again");
  for (const auto& module : value->get_array()) {
    const auto* type = module.is_object() ? module.get_object().if_contains("type") : nullptr;
    if (type == nullptr || !type->is_string())
      return invalid(file, "has a module without a type; fetch the model again");
    const std::string_view name = type->get_string();
    const auto kind = name.substr(name.rfind('.') + 1);
    if (kind != "Transformer" && kind != "Pooling" && kind != "Normalize")
      return unsupported(file, quoted("a module of type", name) +
                                   "; choose a model of Transformer, Pooling and Normalize");
  }
  return {};
}

Result<std::size_t> parse_max_seq_length(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  const auto length = fields->size_or("max_seq_length", vocabulary_max, 0);
  if (!length) return length.error();
  if (*length != 0 && *length < 8) return unsupported(file, "reads fewer than 8 tokens");
  return *length;
}

Result<void> check_tokenizer_config(std::string_view text, std::string_view file) {
  const auto fields = JsonFields::parse(text, file);
  if (!fields) return fields.error();
  // A null counts as missing: strip_accents is null in most files and then follows do_lower_case.
  for (const std::string_view key : {"do_lower_case", "tokenize_chinese_chars", "strip_accents"}) {
    const auto flag = fields->flag_or(key, true);
    if (!flag) return flag.error();
    if (!*flag)
      return unsupported(file, "has \"" + std::string(key) +
                                   "\" off; choose an uncased model");
  }
  const auto tokenizer = fields->text_or("tokenizer_class", "BertTokenizer");
  if (!tokenizer) return tokenizer.error();
  if (*tokenizer != "BertTokenizer" && *tokenizer != "BertTokenizerFast")
    return unsupported(file, quoted("tokenizer_class", *tokenizer) +
                                 "; choose a model with a BertTokenizer");
  for (const auto& [key, only] : {std::pair("unk_token", "[UNK]"), std::pair("cls_token", "[CLS]"),
                                  std::pair("sep_token", "[SEP]")})
    if (const auto known = check_special_token(*fields, key, only); !known) return known.error();
  return {};
}

}  // namespace memseal::model
