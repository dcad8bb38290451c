#include "adapters/model/inspect.hpp"

#include "adapters/model/load_model.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace memseal::model {

namespace {

/// What a backend's numbers may be off, against double, in the numbers of an answer.
struct Tolerance {
  double vector, logit;
};

// Measured deltas of fp32 are ten times smaller.
constexpr Tolerance in_fp32{1e-5, 1e-4}, in_fp16{2e-3, 0.02};
constexpr std::size_t probe_tokens_max = 128;

constexpr std::string_view question = "When does a patent licence that was granted to me end?";

/// Many lengths and scripts, an empty text, and one that is cut.
std::vector<std::string_view> probe_texts(const std::string& long_text) {
  return {"", "Tea.", "Alice prefers green tea, but only before noon.",
          "Größe, naïve façade, Ærøskøbing: accents go, letters stay.",
          "東京は日本の首都です。 Москва — столица России. 🙂",
          "if (x <= 0x1p-24f) { return y / (1 + std::exp(-x)); }", long_text};
}

std::string long_text() {
  std::string text;
  while (text.size() < 900) text += "The planet that is called red is Mars; its year is long. ";
  return text;
}

}  // namespace

struct Workload::Loaded {
  std::shared_ptr<const LoadedModel> model;
  PackedBatch batch;

  bool scores() const { return model->config.architecture == Architecture::cross_encoder; }
};

Result<ModelInfo> inspect(const std::filesystem::path& directory) {
  return describe_model(directory);
}

bool is_cross_encoder(const ModelInfo& info) noexcept {
  return info.architecture == architecture_name(Architecture::cross_encoder);
}

Workload::Workload(std::shared_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}

Result<Workload> Workload::load(const std::filesystem::path& directory,
                                const LoadOptions& options) {
  const auto wanted = architecture_of(directory);
  if (!wanted) return wanted.error();
  auto model = load_model(directory, *wanted, options);
  if (!model) return model.error();
  auto loaded = std::make_shared<Loaded>();
  loaded->model = std::move(*model);
  return Workload(std::move(loaded));
}

const ModelInfo& Workload::info() const noexcept { return loaded_->model->info; }
std::size_t Workload::sequences() const noexcept { return loaded_->batch.size(); }
std::size_t Workload::tokens() const noexcept { return loaded_->batch.ids.size(); }

void Workload::draw(std::size_t count, std::size_t tokens) {
  const auto& model = *loaded_->model;
  const auto length = std::clamp<std::size_t>(tokens, 4, model.info.tokens_max);
  const auto middle = loaded_->scores() ? std::max<std::size_t>(length / 4, 2) : length;
  // A fixed seed, so that two runs measure the same work. This is no secret.
  std::mt19937 random(7);
  loaded_->batch = {};
  std::vector<std::int32_t> ids(length);
  for (std::size_t i = 0; i < count; ++i) {
    // Random ids cost as much as text, because no step of an encoder depends on which tokens it
    // reads.
    for (auto& id : ids)
      id = static_cast<std::int32_t>(random() % model.tokenizer.vocabulary_size());
    ids.front() = model.tokenizer.cls_id();
    ids.back() = model.tokenizer.sep_id();
    if (loaded_->scores()) ids[middle - 1] = model.tokenizer.sep_id();
    loaded_->batch.add(ids, middle);
  }
}

void Workload::take(std::string_view query, const std::vector<std::string_view>& texts) {
  const auto& model = *loaded_->model;
  loaded_->batch = {};
  for (const auto text : texts) {
    if (loaded_->scores()) {
      const auto pair = model.tokenizer.encode_pair(query, text, model.info.tokens_max);
      loaded_->batch.add(pair.ids, pair.segment_b);
    } else {
      loaded_->batch.add(model.tokenizer.encode_single(text, model.info.tokens_max));
    }
  }
}

std::vector<float> Workload::run(const std::function<bool()>& should_continue) const {
  const auto& model = *loaded_->model;
  const ShouldContinue asked =
      should_continue ? should_continue : ShouldContinue([] { return true; });
  const auto& batch = loaded_->batch;
  std::vector<float> out(batch.size() * (loaded_->scores() ? 1 : model.config.hidden));
  if (batch.size() == 0) return out;
  const bool done = loaded_->scores() ? model.encoder->score(batch, asked, out)
                                      : model.encoder->embed(batch, asked, out);
  if (!done) out.clear();
  return out;
}

Result<Agreement> verify(const std::filesystem::path& directory,
                         const std::function<void(std::string_view)>& progress,
                         LoadOptions options) {
  const auto tell = [&](std::string_view step) {
    if (progress) progress(step);
  };
  const auto text = long_text();
  tell("loading, with every tensor's shape and finiteness");
  // The reference is slow, so its inputs are short.
  options.tokens_max = probe_tokens_max;
  auto fast = Workload::load(directory, options);
  if (!fast) return fast.error();
  fast->take(question, probe_texts(text));
  Agreement found{.info = fast->info(), .sequences = fast->sequences(), .tokens = fast->tokens()};
  const auto full = inspect(directory);
  // The report shows what the model reads, not the probe's limit.
  if (full) found.info.tokens_max = full->tokens_max;
  tell("the probe on " + found.info.backend + "/" + found.info.isa);
  const auto answer = fast->run();
  found.finite = std::all_of(answer.begin(), answer.end(),
                             [](float value) { return std::isfinite(value); });

  auto slow = Workload::load(directory,
                             {.backend = Backend::reference, .tokens_max = probe_tokens_max});
  if (!slow) return slow.error();
  slow->take(question, probe_texts(text));
  tell("the same in double precision, loop by loop");
  const auto truth = slow->run();
  // fp16 rounds relatively, so a logit's tolerance grows with the greatest logit. Vectors have the
  // norm 1.
  double greatest = 1;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double wanted = truth[i];
    greatest = std::max(greatest, std::abs(wanted));
    // std::max() ignores a NaN here; `finite` has seen it.
    found.delta_max = std::max(found.delta_max, std::abs(answer[i] - wanted));
  }
  const auto& allowed = found.info.backend == "cuda" ? in_fp16 : in_fp32;
  found.tolerance = is_cross_encoder(found.info) ? allowed.logit * greatest : allowed.vector;
  found.agrees = found.finite && found.delta_max <= found.tolerance;
  return found;
}

}  // namespace memseal::model
