// rerank_cpu_fp32, rerank_cpu_bf16, rerank_cpu_int8, rerank_cpu_int8_ort: 24 pairs of 256 tokens
// through a cross-encoder of TinyBERT-L2's shape, on one thread, from strings to logits. ONNX
// Runtime has the same weights and gets ready-made ids, so tokenising counts for our side only. The
// logits of both sides are compared. rerank_threads: the same in fp32 on two threads, by the clock
// on the wall, against one.
#include "adapters/model/cpu/int8_ops.hpp"
#include "adapters/model/factory.hpp"
#include "model_bench.hpp"

#include <chrono>
#include <iterator>
#include <random>
#include <sstream>
#include <thread>

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

/// Milliseconds on the wall of a reranking with so many threads, the median of `rounds`.
class Timed {
 public:
  Timed(const fs::path& directory, std::size_t threads)
      : pool_(threads),
        reranker_(model::open_reranker(directory, pool_, {.tokens_max = tokens}).value()) {}
  ~Timed() { pool_.join(); }

  double run(const Workload& work) {
    const auto start = std::chrono::steady_clock::now();
    auto scored = reranker_->score({}, work.query, work.passages);
    bench::await(std::move(scored));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    return took.count();
  }

 private:
  model::ModelPool pool_;
  std::unique_ptr<model::GpuReranker> reranker_;
};

void measure_threads(const fs::path& directory, const Workload& work) {
  if (std::thread::hardware_concurrency() < 2)
    return bench::print_skipped("rerank_threads", "this machine has one core");
  Timed two(directory, 2), one(directory, 1);
  std::vector<double> ours, theirs, ratios;
  for (int round = -1; round < 3 * rounds; ++round) {  // The first warms up.
    const double mine = two.run(work), alone = one.run(work);
    if (round < 0) continue;
    ours.push_back(mine);
    theirs.push_back(alone);
    ratios.push_back(mine / alone);
  }
  bench::print({.id = "rerank_threads",
                .ours = bench::median(ours),
                .rival = bench::median(theirs),
                .rival_name = "one thread",
                .ratio = bench::median(ratios),
                .unit = "ms",
                .better = "lower",
                .runs = 3 * rounds});
}

void measure_int8(bench::OnnxRuntime& rival, const fs::path& directory, const Workload& work) {
  constexpr const char *id = "rerank_cpu_int8", *against_int8 = "rerank_cpu_int8_ort";
  if (model::fast_int8_ops() == nullptr) {
    for (const auto* name : {id, against_int8})
      bench::print_skipped(name, "this CPU has neither AVX-512-VNNI nor AVX-VNNI");
    return;
  }
  measure(id, rival, directory, work, model::Precision::int8, 0.25);
  bench::OnnxRuntime own(directory, {}, true);
  if (own.is_ready())
    measure(against_int8, own, directory, work, model::Precision::int8, 0.5);
  else
    bench::print_skipped(against_int8, "this ONNX Runtime has no int8 operators");
}

void measure_all(const fs::path& directory, const fs::path& vocabulary) {
  bench::OnnxRuntime rival(directory, vocabulary);
  if (!rival.is_ready())
    return bench::print_skipped(
        "rerank_cpu_fp32", "no Python modules numpy and onnxruntime: run scripts/deps --bench");
  const auto work = make_workload(vocabulary);
  measure("rerank_cpu_fp32", rival, directory, work, model::Precision::fp32, 1e-4);
  if (bench::has_fast_bf16())
    measure("rerank_cpu_bf16", rival, directory, work, model::Precision::bf16, 0.1);
  else
    bench::print_skipped("rerank_cpu_bf16", "this CPU has neither AVX-512-BF16 nor AMX");
  measure_int8(rival, directory, work);
  measure_threads(directory, work);
}

}  // namespace

int main() {
  fs::current_path(MEMSEAL_SOURCE_DIR);
  const auto vocabulary = fs::path(bench::minilm) / "vocab.txt";
  if (fs::is_regular_file(vocabulary)) {
    const auto directory =
        fs::temp_directory_path() / ("memseal-tinybert-" + std::to_string(getpid()));
    measure_all(directory, vocabulary);
    fs::remove_all(directory);
  } else {
    bench::print_skipped("rerank_cpu_fp32", "no vocabulary: run scripts/deps");
  }
}
