// rerank_cpu_fp32, rerank_cpu_bf16: 24 pairs of 256 tokens through a cross-encoder of TinyBERT-L2's
// shape, on one thread, from strings to logits. ONNX Runtime has the same weights and gets
// ready-made ids, so tokenising counts for our side only. The logits of both sides are compared.
#include "adapters/model/factory.hpp"
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

struct Workload {
  std::string query;
  std::vector<std::string> passages;
  bench::Inputs inputs;
};

Workload make_workload(const fs::path& vocabulary) {
  std::ifstream file(vocabulary, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto tokenizer = text::WordPiece::from_vocabulary(content).value();
  std::mt19937 random(42);
  const auto all = whole_words(vocabulary);
  Workload work;
  work.query = words(all, 10, random);
  for (std::size_t i = 0; i < pairs; ++i) work.passages.push_back(words(all, tokens, random));
  work.inputs = inputs_of(tokenizer, work.query, work.passages);
  return work;
}

void measure(const char* id, bench::OnnxRuntime& rival, const fs::path& directory,
             const Workload& work, model::Precision precision, double tolerance) {
  model::ModelPool pool(1);
  const auto reranker =
      model::open_reranker(directory, pool, {.precision = precision, .tokens_max = tokens}).value();
  bench::print(bench::compare(id, rival, work.inputs, rounds, 3, tolerance, [&] {
    auto scored = reranker->score({}, work.query, work.passages);
    return bench::await(std::move(scored));
  }));
  std::fprintf(stderr, "%s\n", reranker->info().describe().c_str());
  pool.join();
}

/// True where the CPU multiplies bf16 itself: elsewhere bf16 is slower than fp32.
bool has_fast_bf16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

void measure_both(const fs::path& directory, const fs::path& vocabulary) {
  bench::OnnxRuntime rival(directory, vocabulary);
  if (!rival.is_ready())
    return bench::print_skipped(
        "rerank_cpu_fp32", "no Python modules numpy and onnxruntime: run scripts/deps --bench");
  const auto work = make_workload(vocabulary);
  measure("rerank_cpu_fp32", rival, directory, work, model::Precision::fp32, 1e-4);
  if (has_fast_bf16())
    measure("rerank_cpu_bf16", rival, directory, work, model::Precision::bf16, 0.1);
  else
    bench::print_skipped("rerank_cpu_bf16", "this CPU has neither AVX-512-BF16 nor AMX");
}

}  // namespace

int main() {
  fs::current_path(MEMSEAL_SOURCE_DIR);
  const auto vocabulary = fs::path(bench::minilm) / "vocab.txt";
  if (fs::is_regular_file(vocabulary)) {
    const auto directory =
        fs::temp_directory_path() / ("memseal-tinybert-" + std::to_string(getpid()));
    measure_both(directory, vocabulary);
    fs::remove_all(directory);
  } else {
    bench::print_skipped("rerank_cpu_fp32", "no vocabulary: run scripts/deps");
  }
}
