#include "adapters/model/load_model.hpp"
#include "support/model_files.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace memseal::model {
namespace {

namespace fs = std::filesystem;
using testing::ModelSpec;
using testing::RawTensors;

Result<std::shared_ptr<const LoadedModel>> load(const fs::path& directory,
                                                Architecture wanted = Architecture::encoder,
                                                const LoadOptions& options = {}) {
  return load_model(directory, wanted, options);
}

TEST(LoadModel, TakesBothArchitecturesPrefixesTypesAndNormNames) {
  for (const auto architecture : {Architecture::encoder, Architecture::cross_encoder})
    for (const std::string prefix : {"", "bert."})
      for (const std::string dtype : {"F32", "F16", "BF16"})
        for (const bool old : {false, true}) {
          const testing::TempDirectory directory;
          testing::write_model(directory.path(), {.architecture = architecture,
                                                  .prefix = prefix,
                                                  .dtype = dtype,
                                                  .old_norm_names = old});
          const auto model = load(directory.path(), architecture);
          ASSERT_TRUE(model) << model.error().message;
          EXPECT_EQ((*model)->info.name, directory.path().filename());
          EXPECT_EQ((*model)->info.architecture, architecture_name(architecture));
          EXPECT_EQ((*model)->info.backend, "cpu");
          EXPECT_FALSE((*model)->info.isa.empty());
        }
}

TEST(LoadModel, NamesDoNotChangeTheNumbers) {
  std::vector<float> first;
  for (const std::string prefix : {"", "bert."})
    for (const bool old : {false, true}) {
      const testing::TempDirectory directory;
      testing::write_model(directory.path(), {.prefix = prefix, .old_norm_names = old});
      const auto model = load(directory.path()).value();
      PackedBatch batch;
      batch.add(model->tokenizer.encode_single("the red planet", 64));
      std::vector<float> out(model->config.hidden);
      ASSERT_TRUE(model->encoder->embed(batch, [] { return true; }, out));
      if (first.empty()) first = out;
      EXPECT_EQ(out, first) << prefix << old;
    }
}

TEST(LoadModel, CountsItsParameters) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path(), {.architecture = Architecture::cross_encoder});
  const auto model = load(directory.path(), Architecture::cross_encoder).value();
  const std::size_t h = 32, i = 64, embeddings = (96 + 512 + 2) * h + 2 * h;
  const std::size_t layer = 4 * (h * h + h) + (i * h + i) + (h * i + h) + 4 * h;
  EXPECT_EQ(model->info.parameters, embeddings + 2 * layer + (h * h + h) + (h + 1));
  EXPECT_EQ(model->info.vocabulary, 65u);
  EXPECT_EQ(model->info.tokens_max, 512u);
}

TEST(LoadModel, ReadsTheVocabularyOfTokenizerJsonWhenThereIsNoVocabTxt) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path(), {});
  const auto lines = load(directory.path()).value();
  fs::remove(directory.path() / "vocab.txt");
  std::string entries;
  std::size_t id = 0;
  std::istringstream text(testing::vocabulary_text());
  for (std::string token; std::getline(text, token); ++id)
    entries += (id == 0 ? "\"" : ",\"") + token + "\":" + std::to_string(id);
  testing::write_file(directory.path() / "tokenizer.json",
                      R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":)"
                      R"({"type":"BertPreTokenizer"},"model":{"type":"WordPiece","vocab":{)" +
                          entries + "}}}");
  const auto json = load(directory.path());
  ASSERT_TRUE(json) << json.error().message;
  const std::string sample = "the red planet is mars, abc?";
  EXPECT_EQ((*json)->tokenizer.encode_single(sample, 64),
            lines->tokenizer.encode_single(sample, 64));
}

TEST(LoadModel, TheLengthIsTheShortestOfAllThatLimitIt) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path(), {.positions = 300});
  EXPECT_EQ(load(directory.path()).value()->info.tokens_max, 300u);
  testing::write_file(directory.path() / "sentence_bert_config.json", R"({"max_seq_length":200})");
  EXPECT_EQ(load(directory.path()).value()->info.tokens_max, 200u);
  EXPECT_EQ(load(directory.path(), Architecture::encoder, {.tokens_max = 64}).value()
                ->info.tokens_max, 64u);
  EXPECT_EQ(load(directory.path(), Architecture::encoder, {.tokens_max = 999}).value()
                ->info.tokens_max, 200u);
}

TEST(LoadModel, ACrossEncoderReadsAtMost512Tokens) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path(),
                       {.architecture = Architecture::cross_encoder, .positions = 1'024});
  EXPECT_EQ(load(directory.path(), Architecture::cross_encoder).value()->info.tokens_max, 512u);
}

TEST(LoadModel, ASlashAtTheEndIsNotTheName) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path() / "my-model", {});
  EXPECT_EQ(load(directory.path().string() + "/my-model/").value()->info.name, "my-model");
}

/// One way to spoil a sound model directory.
struct Damage {
  const char* what;
  std::function<void(const fs::path&)> spoil;
  Errc code;
  std::vector<std::string> says;
};

std::function<void(const fs::path&)> tensors(std::function<void(RawTensors&)> change) {
  return [change](const fs::path& at) {
    auto all = testing::random_tensors({});
    change(all);
    testing::write_file(at / "model.safetensors", testing::safetensors_of(all));
  };
}

std::function<void(const fs::path&)> file(const std::string& name, const std::string& content) {
  return [=](const fs::path& at) { testing::write_file(at / name, content); };
}

std::vector<Damage> damages() {
  const std::string query = "encoder.layer.1.attention.self.query.weight";
  const auto bad = Errc::model_invalid, foreign = Errc::model_unsupported, none = Errc::no_model;
  return {
      {"no directory", [](const fs::path& at) { fs::remove_all(at); }, none, {"no such directory"}},
      {"no config", [](const fs::path& at) { fs::remove(at / "config.json"); }, none,
       {"config.json", "No such file"}},
      {"no weights", [](const fs::path& at) { fs::remove(at / "model.safetensors"); }, none,
       {"model.safetensors", "No such file"}},
      {"no vocabulary", [](const fs::path& at) { fs::remove(at / "vocab.txt"); }, none,
       {"neither vocab.txt nor tokenizer.json"}},
      {"weights that are a directory",
       [](const fs::path& at) {
         fs::remove(at / "model.safetensors");
         fs::create_directory(at / "model.safetensors");
       }, none, {"model.safetensors"}},
      {"an empty weights file", file("model.safetensors", ""), bad, {"empty"}},
      {"a truncated weights file",
       [](const fs::path& at) {
         fs::resize_file(at / "model.safetensors", fs::file_size(at / "model.safetensors") - 1);
       }, bad, {"ends inside"}},
      {"a huge config", file("config.json", std::string(5u << 20, ' ')), bad, {"5242880 bytes"}},
      {"a config of another family", file("config.json", R"({"architectures":["GPT2Model"]})"),
       foreign, {"config.json", "GPT2Model"}},
      {"a vocabulary without [CLS]", file("vocab.txt", "[PAD]\n[UNK]\n[SEP]\n[MASK]\na\n"), bad,
       {"vocab.txt"}},
      {"a vocabulary longer than the word table",
       [](const fs::path& at) {
         auto text = testing::vocabulary_text();
         for (int i = 0; i < 50; ++i) text += "w" + std::to_string(i) + "\n";
         testing::write_file(at / "vocab.txt", text);
       }, bad, {"vocab_size"}},
      {"a cased tokenizer", file("tokenizer_config.json", R"({"do_lower_case":false})"), foreign,
       {"tokenizer_config.json", "do_lower_case"}},
      {"a foreign tokenizer beside the vocabulary", file("tokenizer.json", "{}"), foreign,
       {"tokenizer.json", "WordPiece"}},
      {"pooling by the first token",
       file("1_Pooling/config.json",
            R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})"), foreign,
       {"1_Pooling", "mean"}},
      {"a dense module", file("modules.json", R"([{"type":"sentence_transformers.models.Dense"}])"),
       foreign, {"modules.json", "Dense"}},
      {"a broken sentence_bert_config", file("sentence_bert_config.json", "{"), bad,
       {"sentence_bert_config.json"}},
      {"a lacking tensor", tensors([=](RawTensors& all) { all.erase(query); }), bad,
       {"lacks the tensor", query}},
      {"a lacking word table",
       tensors([](RawTensors& all) { all.erase("embeddings.word_embeddings.weight"); }), bad,
       {"lacks the tensor", "word_embeddings"}},
      {"a lacking LayerNorm",
       tensors([](RawTensors& all) { all.erase("embeddings.LayerNorm.bias"); }), bad,
       {"embeddings.LayerNorm.bias"}},
      {"a tensor turned on its side",
       tensors([](RawTensors& all) {
         all["encoder.layer.0.intermediate.dense.weight"].shape = {32, 64};
       }), bad, {"intermediate.dense.weight", "[32, 64]", "[64, 32]"}},
      {"a tensor of integers",
       tensors([=](RawTensors& all) { all[query] = {"I32", {32, 32}, std::string(4096, '\0')}; }),
       foreign, {query, "not F32"}},
      {"a tensor of doubles",
       tensors([=](RawTensors& all) { all[query] = {"F64", {32, 32}, std::string(8192, '\0')}; }),
       foreign, {query, "not F32"}},
      {"a NaN among the weights",
       tensors([=](RawTensors& all) { all[query].bytes.replace(400, 4, "\xff\xff\xff\xff", 4); }),
       bad, {query, "infinite"}},
      {"a layer too many",
       tensors([](RawTensors& all) {
         all["encoder.layer.2.output.dense.weight"] =
             all["encoder.layer.1.output.dense.weight"];
       }), bad, {"more layers"}},
  };
}

TEST(LoadModel, RefusesEveryDamageWithTheFileAndTheMend) {
  for (const auto& [what, spoil, code, says] : damages()) {
    const testing::TempDirectory directory;
    const auto at = directory.path() / "model";
    testing::write_model(at, {});
    ASSERT_TRUE(load(at)) << what;
    spoil(at);
    const auto model = load(at);
    ASSERT_FALSE(model) << what;
    EXPECT_EQ(errc_name(model.error().code), errc_name(code))
        << what << ": " << model.error().message;
    for (const auto& part : says)
      EXPECT_NE(model.error().message.find(part), std::string::npos)
          << what << ": " << model.error().message;
  }
}

TEST(LoadModel, ACrossEncoderNeedsItsHead) {
  for (const std::string lacking : {"bert.pooler.dense.weight", "classifier.weight",
                                    "classifier.bias"}) {
    const testing::TempDirectory directory;
    const ModelSpec spec{.architecture = Architecture::cross_encoder, .prefix = "bert."};
    testing::write_model(directory.path(), spec);
    auto all = testing::random_tensors(spec);
    all.erase(lacking);
    testing::write_file(directory.path() / "model.safetensors", testing::safetensors_of(all));
    const auto model = load(directory.path(), Architecture::cross_encoder);
    ASSERT_FALSE(model);
    EXPECT_NE(model.error().message.find(lacking), std::string::npos) << model.error().message;
  }
}

}  // namespace
}  // namespace memseal::model
