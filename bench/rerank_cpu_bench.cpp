// 24 pairs of 256 tokens through a cross-encoder of TinyBERT-L2's shape, one thread, from strings
// to logits; ONNX Runtime gets the ids ready-made. Same weights, logits compared.
#include "memseal/model/factory.hpp"
#include "model_bench.hpp"

#include <iterator>
#include <random>
#include <sstream>

namespace {

using namespace memseal;
namespace fs = std::filesystem;

constexpr std::size_t pairs = 24, tokens = 256;
constexpr int rounds = 11;

std::string words(const std::vector<std::string>& all, std::size_t count, std::mt19937& random) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += all[random() % all.size()] + " ";
  return text;
}

std::vector<std::string> whole_words(const fs::path& vocabulary) {
  std::ifstream file(vocabulary);
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);)
    if (line.size() > 2 && line.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == line.npos)
      all.push_back(line);
  return all;
}

bench::Inputs inputs_of(const text::WordPiece& tokenizer, const std::string& query,
                        const std::vector<std::string>& passages) {
  bench::Inputs inputs;
  inputs.length = tokens;
  for (const auto& passage : passages) {
    const auto pair = tokenizer.encode_pair(query, passage, tokens);
    if (pair.ids.size() != tokens) std::exit(1);
    inputs.ids.insert(inputs.ids.end(), pair.ids.begin(), pair.ids.end());
    inputs.segment_b.push_back(static_cast<std::int32_t>(pair.segment_b));
    inputs.lengths.push_back(static_cast<std::int32_t>(tokens));
  }
  return inputs;
}

void measure(const fs::path& directory, const fs::path& vocabulary) {
  bench::OnnxRuntime rival(directory, vocabulary);
  if (!rival.is_ready())
    return bench::print_skipped("rerank_cpu_fp32",
                                "no Python modules numpy and onnxruntime: run scripts/deps --bench");
  bench::asio::thread_pool pool(1);
  const auto reranker =
      model::load_reranker(directory, pool, {.tokens_max = tokens}).value();
  std::ifstream file(vocabulary, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto tokenizer = text::WordPiece::from_vocabulary(content).value();

  std::mt19937 random(42);
  const auto all = whole_words(vocabulary);
  const auto query = words(all, 10, random);
  std::vector<std::string> passages;
  for (std::size_t i = 0; i < pairs; ++i) passages.push_back(words(all, tokens, random));
  bench::print(bench::compare("rerank_cpu_fp32", rival, inputs_of(tokenizer, query, passages),
                              rounds, 3, 1e-4, [&] {
                                auto scored = reranker->score({}, query, passages);
                                return bench::await(std::move(scored));
                              }));
  std::fprintf(stderr, "%s\n", reranker->info().describe().c_str());
  pool.join();
}

}  // namespace

int main() {
  fs::current_path(MEMSEAL_SOURCE_DIR);
  const auto vocabulary = fs::path(bench::minilm) / "vocab.txt";
  if (fs::is_regular_file(vocabulary)) {
    const auto directory =
        fs::temp_directory_path() / ("memseal-tinybert-" + std::to_string(getpid()));
    measure(directory, vocabulary);
    fs::remove_all(directory);
  } else {
    bench::print_skipped("rerank_cpu_fp32", "no vocabulary: run scripts/deps");
  }
  bench::print_skipped("rerank_cpu_bf16", "the CPU backend computes in fp32 only");
}
