// tokenizer: throughput against the Hugging Face library. Both run on one thread over the same
// texts: 24 query-passage pairs cut to 256 tokens (a rerank), and documents with offsets (an
// ingest). Seconds are each side's CPU time, because other work on the machine disturbs it less.
// The figure is the smaller of the two ratios; both go to stderr.
#include "bench.hpp"
#include "prose.hpp"
#include "pure/text/wordpiece.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <sstream>

namespace {

using namespace memseal;
namespace fs = std::filesystem;
using bench::file_content;
using bench::vocabulary_path;

constexpr int rounds = 9;
constexpr std::size_t tokens_max = 256;
constexpr const char* python = ".deps/venv/bin/python";

struct Texts {
  std::vector<std::string> pairs;      // a, b, a, b…
  std::vector<std::string> documents;
};

std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t sum = 0;
  for (const auto& text : texts) sum += text.size();
  return sum;
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

Texts make_texts(std::string_view vocabulary) {
  bench::ProseWriter writer(vocabulary);
  Texts texts;
  const std::string query = writer.prose(60);
  for (int at = 0; at < 24; ++at) {
    texts.pairs.push_back(query);
    texts.pairs.push_back(writer.prose(1'300));
  }
  for (int at = 0; at < 16; ++at) texts.documents.push_back(writer.prose(25'000));
  return texts;
}

// The rival as a child process: commands go through one pipe, answers come back through another.
class Rival {
 public:
  Rival(const fs::path& vocabulary, const Texts& texts) {
    source_ = fs::temp_directory_path() / ("memseal-texts-" + std::to_string(getpid()));
    std::ofstream out(source_, std::ios::binary);
    const auto number = [&](std::size_t value) {
      const auto word = static_cast<std::uint32_t>(value);
      out.write(reinterpret_cast<const char*>(&word), sizeof word);
    };
    for (const auto* group : {&texts.pairs, &texts.documents}) {
      number(group->size());
      for (const auto& text : *group) {
        number(text.size());
        out << text;
      }
    }
    out.close();
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(down[0], 0);
      dup2(up[1], 1);
      for (const int end : {down[0], down[1], up[0], up[1]}) close(end);
      execl(python, python, "bench/tokenizer_rival.py", vocabulary.c_str(), source_.c_str(),
            nullptr);
      _exit(127);
    }
    close(down[0]);
    close(up[1]);
    commands_ = fdopen(down[1], "w");
    answers_ = fdopen(up[0], "r");
    char line[16] = {};
    is_ready_ = std::fgets(line, sizeof line, answers_) && std::string_view(line) == "ready\n";
  }
  ~Rival() {
    if (commands_) std::fclose(commands_);
    if (answers_) std::fclose(answers_);
    if (child_ > 0) waitpid(child_, nullptr, 0);
    fs::remove(source_);
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;

  bool is_ready() const { return is_ready_; }
  /// CPU seconds of `times` runs; the number of tokens of one run in `tokens`.
  double run(const char* workload, int times, std::size_t& tokens) {
    std::fprintf(commands_, "%s %d\n", workload, times);
    std::fflush(commands_);
    double took = 0;
    if (std::fscanf(answers_, "%lf %zu", &took, &tokens) != 2) std::exit(1);
    return took;
  }

 private:
  fs::path source_;
  pid_t child_ = -1;
  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
  bool is_ready_ = false;
};

std::size_t encode_pairs(const text::WordPiece& words, const Texts& texts) {
  std::size_t tokens = 0;
  for (std::size_t at = 0; at < texts.pairs.size(); at += 2) {
    tokens += words.encode_pair(texts.pairs[at], texts.pairs[at + 1], tokens_max).ids.size();
  }
  return tokens;
}

std::size_t encode_documents(const text::WordPiece& words, const Texts& texts) {
  std::size_t count = 0;
  for (const auto& document : texts.documents) {
    std::vector<text::Token> tokens;
    words.encode(document, tokens);
    bench::keep(tokens.data());
    count += tokens.size();
  }
  return count;
}

// Megabytes a second of ours and of the rival over one workload, run in turn.
bench::Figure compare(const text::WordPiece& words, const Texts& texts, Rival& rival,
                      const char* workload) {
  const bool is_pairs = std::string_view(workload) == "pairs";
  const double bytes = double(bytes_of(is_pairs ? texts.pairs : texts.documents));
  const int ours_times = is_pairs ? 200 : 20, rival_times = is_pairs ? 10 : 1;
  std::vector<double> ours, theirs, ratios;
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    std::size_t our_tokens = 0, rival_tokens = 0;
    const double start = cpu_seconds();
    for (int time = 0; time < ours_times; ++time) {
      our_tokens = is_pairs ? encode_pairs(words, texts) : encode_documents(words, texts);
    }
    const double took = cpu_seconds() - start;
    const double rival_took = rival.run(workload, rival_times, rival_tokens);
    if (our_tokens != rival_tokens) {
      std::fprintf(stderr, "%s: %zu tokens, the rival has %zu\n", workload, our_tokens,
                   rival_tokens);
      std::exit(1);
    }
    if (round < 0) continue;
    ours.push_back(bytes * ours_times / took / 1e6);
    theirs.push_back(bytes * rival_times / rival_took / 1e6);
    ratios.push_back(ours.back() / theirs.back());
  }
  std::fprintf(stderr, "%s: %.1f MB/s, rival %.2f MB/s, ratio %.1f\n", workload,
               bench::median(ours), bench::median(theirs), bench::median(ratios));
  return {.id = "tokenizer",
          .ours = bench::median(ours),
          .rival = bench::median(theirs),
          .rival_name = std::string("Hugging Face tokenizers (Rust), one thread, ") + workload,
          .ratio = bench::median(ratios),
          .unit = "MB/s",
          .runs = rounds};
}

}  // namespace

int main() {
  fs::current_path(MEMSEAL_SOURCE_DIR);
  const fs::path vocabulary = vocabulary_path();
  if (vocabulary.empty()) {
    bench::print_skipped("tokenizer", "no vocabulary: run scripts/deps");
    return 0;
  }
  const std::string content = file_content(vocabulary);
  const Texts texts = make_texts(content);
  Rival rival(vocabulary, texts);
  if (!rival.is_ready()) {
    bench::print_skipped("tokenizer", "no module tokenizers: run scripts/deps --test");
    return 0;
  }
  const auto words = text::WordPiece::from_vocabulary(content).value();
  const auto pairs = compare(words, texts, rival, "pairs");
  const auto documents = compare(words, texts, rival, "documents");
  bench::print(pairs.ratio < documents.ratio ? pairs : documents);
}
