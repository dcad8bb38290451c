// embed_cpu, embed_cpu_bf16: all-MiniLM-L6-v2 on one thread, from ids to vectors, against ONNX
// Runtime with the same weights in fp32: 64 chunks of mixed lengths. Also, on stderr, 32 chunks of
// 128 tokens and one question of 12. The vectors of both sides are compared.
#include "adapters/model/factory.hpp"
#include "model_bench.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace {

using namespace memseal;
namespace fs = std::filesystem;

constexpr int rounds = 9;

struct Chunks {
  std::vector<ports::EmbedInput> entries;
  bench::Inputs inputs;
};

Chunks make_chunks(const std::vector<std::size_t>& lengths, const text::WordPiece& words) {
  std::mt19937 random(7);
  Chunks chunks;
  chunks.inputs.length = *std::max_element(lengths.begin(), lengths.end());
  for (const auto length : lengths) {
    auto& entry = chunks.entries.emplace_back().token_ids;
    entry.resize(length - 2);
    for (auto& id : entry) id = static_cast<std::int32_t>(1'000 + random() % 28'000);
    std::vector<std::int32_t> ids{words.cls_id()};
    ids.insert(ids.end(), entry.begin(), entry.end());
    ids.push_back(words.sep_id());
    ids.resize(chunks.inputs.length);
    chunks.inputs.ids.insert(chunks.inputs.ids.end(), ids.begin(), ids.end());
    chunks.inputs.segment_b.push_back(static_cast<std::int32_t>(chunks.inputs.length));
    chunks.inputs.lengths.push_back(static_cast<std::int32_t>(length));
  }
  return chunks;
}

/// Log-normal lengths, as those of passages: 120 tokens on average, 256 at most.
std::vector<std::size_t> mixed_lengths() {
  std::mt19937 random(11);
  std::lognormal_distribution<double> length(std::log(120.0) - 0.18, 0.6);
  std::vector<std::size_t> lengths(64);
  for (auto& one : lengths)
    one = std::clamp<std::size_t>(static_cast<std::size_t>(length(random)), 8, 256);
  return lengths;
}

bench::Figure measure(bench::OnnxRuntime& rival, model::GpuEmbedder& embedder,
                      const std::vector<std::size_t>& lengths, int times,
                      const char* id = "embed_cpu", double tolerance = 1e-5) {
  const auto chunks = make_chunks(lengths, embedder.tokenizer());
  return bench::compare(id, rival, chunks.inputs, rounds, times, tolerance, [&] {
    auto embedded = embedder.embed({}, chunks.entries);
    std::vector<float> first;
    for (const auto& vector : bench::await(std::move(embedded))) first.push_back(vector.front());
    return first;
  });
}

}  // namespace

int main() {
  fs::current_path(MEMSEAL_SOURCE_DIR);
  if (!fs::is_regular_file(fs::path(bench::minilm) / "model.safetensors")) {
    bench::print_skipped("embed_cpu", "no model: run scripts/deps");
    return 0;
  }
  bench::OnnxRuntime rival(bench::minilm);
  if (!rival.is_ready()) {
    bench::print_skipped("embed_cpu",
                         "no Python modules numpy and onnxruntime: run scripts/deps --bench");
    return 0;
  }
  model::ModelPool pool(1);
  const auto embedder = model::open_embedder(bench::minilm, pool).value();
  const auto talk = [&](const char* what, const std::vector<std::size_t>& lengths, int times) {
    const auto figure = measure(rival, *embedder, lengths, times);
    std::fprintf(stderr, "%s: %.2f ms, rival %.2f ms, ratio %.2f\n", what, figure.ours,
                 figure.rival, figure.ratio);
  };
  talk("one question of 12 tokens", {12}, 20);
  talk("32 chunks of 128 tokens", std::vector<std::size_t>(32, 128), 1);
  bench::print(measure(rival, *embedder, mixed_lengths(), 1));
  std::fprintf(stderr, "%s\n", embedder->info().describe().c_str());
  if (bench::has_fast_bf16()) {
    const auto narrow =
        model::open_embedder(bench::minilm, pool, {.precision = model::Precision::bf16}).value();
    bench::print(measure(rival, *narrow, mixed_lengths(), 1, "embed_cpu_bf16", 0.01));
  } else {
    bench::print_skipped("embed_cpu_bf16", "this CPU has neither AVX-512-BF16 nor AMX");
  }
  pool.join();
}
