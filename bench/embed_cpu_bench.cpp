// all-MiniLM-L6-v2, one thread, from ids to vectors: 32 chunks of 128 tokens, and (on stderr) one
// question of 12. Same weights in ONNX Runtime, vectors compared.
#include "memseal/model/factory.hpp"
#include "model_bench.hpp"

#include <random>

namespace {

using namespace memseal;
namespace fs = std::filesystem;

constexpr int rounds = 9;

struct Chunks {
  std::vector<std::vector<std::int32_t>> entries;  // Without [CLS] and [SEP].
  bench::Inputs inputs;
};

Chunks make_chunks(std::size_t count, std::size_t length, const text::WordPiece& words) {
  std::mt19937 random(7);
  Chunks chunks;
  chunks.inputs.length = length;
  for (std::size_t i = 0; i < count; ++i) {
    auto& entry = chunks.entries.emplace_back(length - 2);
    for (auto& id : entry) id = static_cast<std::int32_t>(1'000 + random() % 28'000);
    auto& ids = chunks.inputs.ids;
    ids.push_back(words.cls_id());
    ids.insert(ids.end(), entry.begin(), entry.end());
    ids.push_back(words.sep_id());
    chunks.inputs.segment_b.push_back(static_cast<std::int32_t>(length));
  }
  return chunks;
}

bench::Figure measure(bench::OnnxRuntime& rival, model::CpuEmbedder& embedder, std::size_t count,
                      std::size_t length, int times) {
  const auto chunks = make_chunks(count, length, embedder.words());
  return bench::compare("embed_cpu", rival, chunks.inputs, rounds, times, 1e-5, [&] {
    auto embedded = embedder.embed({}, chunks.entries);
    std::vector<float> first;
    for (const auto& vector : bench::await(std::move(embedded))) first.push_back(vector.front());
    return first;
  });
}

}  // namespace

int main() {
  fs::current_path(fs::path(__FILE__).parent_path().parent_path());
  if (!fs::is_regular_file(fs::path(bench::minilm) / "model.safetensors")) {
    bench::print_skipped("embed_cpu", "no model: run scripts/deps");
    return 0;
  }
  bench::OnnxRuntime rival(bench::minilm);
  if (!rival.is_ready()) {
    bench::print_skipped("embed_cpu",
                         "no Python modules numpy and onnxruntime: run scripts/deps --test");
    return 0;
  }
  bench::asio::thread_pool pool(1);
  const auto embedder = model::load_embedder(bench::minilm, pool).value();
  const auto question = measure(rival, *embedder, 1, 12, 20);
  std::fprintf(stderr, "one question of 12 tokens: %.2f ms, rival %.2f ms, ratio %.2f\n",
               question.ours, question.rival, question.ratio);
  bench::print(measure(rival, *embedder, 32, 128, 1));
  std::fprintf(stderr, "%s\n", embedder->info().describe().c_str());
  pool.join();
}
