#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/tokenizer_file.hpp"
#include "support/model_files.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace memseal::model {
namespace {

using testing::ModelSpec;

std::string sound(Architecture architecture = Architecture::encoder) {
  return testing::config_json({.architecture = architecture});
}

/// `text` with its only `from` replaced.
std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(BertConfig, ReadsEverySize) {
  const auto config = BertConfig::parse(sound());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->architecture, Architecture::encoder);
  EXPECT_EQ(config->hidden, 32u);
  EXPECT_EQ(config->layers, 2u);
  EXPECT_EQ(config->heads, 2u);
  EXPECT_EQ(config->head_size(), 16u);
  EXPECT_EQ(config->intermediate, 64u);
  EXPECT_EQ(config->positions, 512u);
  EXPECT_EQ(config->token_types, 2u);
  EXPECT_EQ(config->vocabulary, 96u);
  EXPECT_EQ(config->layer_norm_eps, 1e-12);
  EXPECT_EQ(BertConfig::parse(sound(Architecture::cross_encoder))->architecture,
            Architecture::cross_encoder);
}

TEST(BertConfig, TakesTheLibrarysDefaultsForWhatIsNoSize) {
  auto text = with(sound(), "\"layer_norm_eps\":1e-12,", "");
  text = with(text, "\"position_embedding_type\":\"absolute\",", "");
  text = with(text, ",\"type_vocab_size\":2", "");
  text = with(text, "\"model_type\":\"bert\",", "\"is_decoder\":false,\"unknown\":[{}],");
  const auto config = BertConfig::parse(text);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->layer_norm_eps, 1e-12);
  EXPECT_EQ(config->token_types, 2u);
}

struct Refusal {
  const char* what;
  std::string text;
  Errc code;
  const char* says;
};

void expect_refusals(const std::vector<Refusal>& refusals,
                     const std::function<Error(const std::string&)>& error_of) {
  for (const auto& [what, text, code, says] : refusals) {
    const auto error = error_of(text);
    EXPECT_EQ(errc_name(error.code), errc_name(code)) << what << ": " << error.message;
    EXPECT_NE(error.message.find(says), std::string::npos) << what << ": " << error.message;
    EXPECT_TRUE(error.message.starts_with("file.json ")) << error.message;
  }
}

TEST(BertConfig, RefusesWhatItCannotCompute) {
  const auto bad = Errc::model_invalid, foreign = Errc::model_unsupported;
  const auto base = sound();
  std::vector<Refusal> refusals{
      {"nothing", "", bad, "well-formed"},
      {"no object", "[]", bad, "not a JSON object"},
      {"a repeated key", with(base, "{", "{\"hidden_size\":8,"), bad, "repeats the key"},
      {"no architecture", with(base, "\"architectures\":[\"BertModel\"],", ""), bad,
       "architecture"},
      {"two architectures", with(base, "[\"BertModel\"]", "[\"BertModel\",\"X\"]"), bad,
       "architecture"},
      {"another family", with(base, "BertModel", "RobertaModel"), foreign, "RobertaModel"},
      {"another model type", with(base, "\"bert\"", "\"roberta\""), foreign, "roberta"},
      {"another activation", with(base, "\"gelu\"", "\"gelu_new\""), foreign, "gelu_new"},
      {"an activation that is no text", with(base, "\"gelu\"", "7"), bad, "hidden_act"},
      {"relative positions", with(base, "\"absolute\"", "\"relative_key\""), foreign,
       "relative_key"},
      {"a decoder", with(base, "{", "{\"is_decoder\":true,"), foreign, "is_decoder"},
      {"cross attention", with(base, "{", "{\"add_cross_attention\":true,"), foreign,
       "add_cross_attention"},
      {"a negative size", with(base, "\"hidden_size\":32", "\"hidden_size\":-32"), bad,
       "hidden_size"},
      {"a size of 0", with(base, "\"hidden_size\":32", "\"hidden_size\":0"), bad, "hidden_size"},
      {"a fraction", with(base, "\"hidden_size\":32", "\"hidden_size\":32.0"), bad, "hidden_size"},
      {"a text", with(base, "\"hidden_size\":32", "\"hidden_size\":\"32\""), bad, "hidden_size"},
      {"a giant", with(base, "\"hidden_size\":32", "\"hidden_size\":1000000000"), bad,
       "hidden_size"},
      {"beyond 2^64", with(base, "\"hidden_size\":32", "\"hidden_size\":99999999999999999999"),
       bad, "hidden_size"},
      {"heads that do not divide", with(base, "\"num_attention_heads\":2",
                                        "\"num_attention_heads\":3"),
       bad, "multiple"},
      {"few positions", with(base, "\"max_position_embeddings\":512",
                             "\"max_position_embeddings\":7"),
       foreign, "fewer than 8"},
      {"a negative eps", with(base, "1e-12", "-1"), bad, "layer_norm_eps"},
      {"a large eps", with(base, "1e-12", "1"), bad, "layer_norm_eps"},
      {"an eps that is a text", with(base, "1e-12", "\"small\""), bad, "layer_norm_eps"},
  };
  for (const char* size : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                           "intermediate_size", "max_position_embeddings", "vocab_size"})
    refusals.push_back({size, with(base, std::string("\"") + size + "\"", "\"x\""), bad, size});
  const auto cross = sound(Architecture::cross_encoder);
  refusals.push_back({"two labels", with(cross, "\"0\":\"LABEL_0\"", "\"0\":\"A\",\"1\":\"B\""),
                      foreign, "2 labels"});
  refusals.push_back({"three labels", with(cross, ",\"id2label\":{\"0\":\"LABEL_0\"}",
                                           ",\"num_labels\":3"),
                      foreign, "3 labels"});
  refusals.push_back({"one token type", with(cross, "\"type_vocab_size\":2",
                                             "\"type_vocab_size\":1"),
                      foreign, "token type"});
  expect_refusals(refusals, [](const std::string& text) {
    const auto parsed = BertConfig::parse(text, "file.json");
    return parsed ? Error{Errc::internal, "file.json was taken"} : parsed.error();
  });
}

TEST(Pooling, OnlyTheMeanIsComputed) {
  EXPECT_TRUE(check_pooling(R"({"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":false})",
                            "file.json"));
  expect_refusals(
      {{"first token", R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})",
        Errc::model_unsupported, "otherwise than by the mean"},
       {"both", R"({"pooling_mode_max_tokens":true,"pooling_mode_mean_tokens":true})",
        Errc::model_unsupported, "pooling_mode_max_tokens"},
       {"silence", "{}", Errc::model_unsupported, "mean"},
       {"no truth value", R"({"pooling_mode_mean_tokens":1})", Errc::model_invalid,
        "true or false"},
       {"no JSON", "{", Errc::model_invalid, "well-formed"}},
      [](const std::string& text) {
        const auto known = check_pooling(text, "file.json");
        return known ? Error{} : known.error();
      });
}

TEST(Modules, OnlyTransformerPoolingNormalize) {
  const std::string base = R"([{"type":"sentence_transformers.models.Transformer"},)"
                           R"({"type":"sentence_transformers.models.Pooling"},)"
                           R"({"type":"sentence_transformers.models.Normalize"}])";
  EXPECT_TRUE(check_modules(base, "file.json"));
  expect_refusals({{"a dense layer", with(base, "Normalize", "Dense"), Errc::model_unsupported,
                    "models.Dense"},
                   {"no type", R"([{"name":"0"}])", Errc::model_invalid, "without a type"},
                   {"no object", "[1]", Errc::model_invalid, "without a type"},
                   {"no list", "{}", Errc::model_invalid, "not a JSON array"}},
                  [](const std::string& text) {
                    const auto known = check_modules(text, "file.json");
                    return known ? Error{} : known.error();
                  });
}

TEST(MaxSeqLength, MayBeSilent) {
  EXPECT_EQ(parse_max_seq_length(R"({"max_seq_length":256})", "file.json").value(), 256u);
  EXPECT_EQ(parse_max_seq_length(R"({"max_seq_length":null})", "file.json").value(), 0u);
  EXPECT_EQ(parse_max_seq_length("{}", "file.json").value(), 0u);
  for (const char* bad : {R"({"max_seq_length":0})", R"({"max_seq_length":"x"})",
                          R"({"max_seq_length":4})", "[]"})
    EXPECT_FALSE(parse_max_seq_length(bad, "file.json")) << bad;
}

TEST(TokenizerConfig, OnlyUncasedBert) {
  EXPECT_TRUE(check_tokenizer_config(
      R"({"do_lower_case":true,"strip_accents":null,"tokenizer_class":"BertTokenizer"})", "f"));
  EXPECT_TRUE(check_tokenizer_config(
      R"({"unk_token":"[UNK]","cls_token":{"content":"[CLS]"},"sep_token":null})", "f"));
  expect_refusals({{"another unknown token", R"({"unk_token":"<unk>"})", Errc::model_unsupported,
                    R"("unk_token" that is not "[UNK]")"},
                   {"another first token", R"({"cls_token":{"content":"<s>"}})",
                    Errc::model_unsupported, "cls_token"},
                   {"another last token", R"({"sep_token":2})", Errc::model_unsupported,
                    "sep_token"},
                   {"cased", R"({"do_lower_case":false})", Errc::model_unsupported,
                    "do_lower_case"},
                   {"accents kept", R"({"strip_accents":false})", Errc::model_unsupported,
                    "strip_accents"},
                   {"another tokenizer", R"({"tokenizer_class":"RobertaTokenizer"})",
                    Errc::model_unsupported, "RobertaTokenizer"}},
                  [](const std::string& text) {
                    const auto known = check_tokenizer_config(text, "file.json");
                    return known ? Error{} : known.error();
                  });
}

std::string tokenizer_json(const std::string& vocabulary, const std::string& normalizer = "") {
  return R"({"normalizer":{"type":"BertNormalizer","lowercase":true,"strip_accents":null)" +
         normalizer + R"(},"pre_tokenizer":{"type":"BertPreTokenizer"},)" +
         R"("model":{"type":"WordPiece","vocab":)" + vocabulary + "}}";
}

TEST(Tokenizer, GivesTheVocabularyInTheOrderOfItsIds) {
  EXPECT_EQ(vocabulary_of_tokenizer(tokenizer_json(R"({"b":1,"a":0,"##c":2})")).value(),
            "a\nb\n##c\n");
  EXPECT_TRUE(check_tokenizer(
      R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},)"
      R"("model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)"
      R"("max_input_chars_per_word":100,"vocab":{"a":0}}})"));
}

TEST(Tokenizer, RefusesWhatIsNoUncasedBert) {
  const auto bad = Errc::model_invalid, foreign = Errc::model_unsupported;
  const auto base = tokenizer_json(R"({"a":0})");
  expect_refusals(
      {{"another model", with(base, "WordPiece", "BPE"), foreign, "WordPiece"},
       {"another normalizer", with(base, "BertNormalizer", "Lowercase"), foreign, "WordPiece"},
       {"another pre-tokenizer", with(base, "BertPreTokenizer", "Whitespace"), foreign,
        "WordPiece"},
       {"cased", with(base, "\"lowercase\":true", "\"lowercase\":false"), foreign, "lowercase"},
       {"not cleaned", tokenizer_json(R"({"a":0})", R"(,"clean_text":false)"), foreign,
        "clean_text"},
       {"another prefix of what continues a word",
        with(base, "\"vocab\"", R"("continuing_subword_prefix":"@@","vocab")"), foreign,
        R"(has "continuing_subword_prefix" "@@"; choose a model with "##")"},
       {"no prefix", with(base, "\"vocab\"", R"("continuing_subword_prefix":"","vocab")"), foreign,
        "continuing_subword_prefix"},
       {"longer words", with(base, "\"vocab\"", R"("max_input_chars_per_word":200,"vocab")"),
        foreign, R"(has "max_input_chars_per_word" 200; choose a model with 100)"},
       {"another unknown token", with(base, "\"vocab\"", R"("unk_token":"<unk>","vocab")"), foreign,
        R"(has "unk_token" "<unk>"; choose a model with "[UNK]")"},
       {"a gap", tokenizer_json(R"({"a":0,"b":2})"), bad, "ids"},
       {"an id twice", tokenizer_json(R"({"a":0,"b":0})"), bad, "ids"},
       {"a negative id", tokenizer_json(R"({"a":-1})"), bad, "ids"},
       {"an id that is a text", tokenizer_json(R"({"a":"0"})"), bad, "ids"},
       {"an empty token", tokenizer_json(R"({"":0})"), bad, "ids"},
       {"a line break in a token", tokenizer_json(R"({"a\nb":0})"), bad, "ids"},
       {"no vocabulary", tokenizer_json("[]"), bad, "no vocabulary"},
       {"no JSON", "", bad, "well-formed"}},
      [](const std::string& text) {
        const auto vocabulary = vocabulary_of_tokenizer(text, "file.json");
        return vocabulary ? Error{} : vocabulary.error();
      });
}

}  // namespace
}  // namespace memseal::model
