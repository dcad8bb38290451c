#pragma once
// Text that costs what real text costs.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::bench {

namespace fs = std::filesystem;

inline std::string file_content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The embedder's vocabulary; empty where there is none.
inline fs::path vocabulary_path() {
  const char* given = std::getenv("MEMSEAL_TEST_VOCAB");
  for (const fs::path path : {given ? given : "", ".deps/models/all-MiniLM-L6-v2/vocab.txt",
                              "../shared/data/bert-base-uncased-vocab.txt"}) {
    if (fs::is_regular_file(path)) return path;
  }
  return {};
}

/// Text like prose: words of the vocabulary by Zipf's law, one in eight with an ending that makes
/// it several tokens, and names, numbers, accents, punctuation.
class ProseWriter {
 public:
  explicit ProseWriter(std::string_view vocabulary) {
    std::istringstream lines{std::string(vocabulary)};
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    for (std::string line; std::getline(lines, line);) {
      const bool is_word = line.size() > 1 && std::all_of(line.begin(), line.end(), is_letter);
      if (is_word) words_.push_back(line);
    }
  }

  std::string prose(std::size_t bytes) {
    std::string out;
    for (bool starts = true; out.size() < bytes;) {
      std::string word = words_[rank()];
      if (below(8) == 0) word += words_[rank()];
      if (starts || below(15) == 0) word[0] = static_cast<char>(word[0] - 32);
      if (below(60) == 0) word += "\xC3\xA9";
      if (below(40) == 0) word = std::to_string(below(3'000));
      starts = below(14) == 0;
      out += word + (starts ? (below(5) ? ". " : ".\n\n") : below(9) == 0 ? ", " : " ");
    }
    return out;
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  std::size_t rank() {
    const double share = double(random_() >> 11) * 0x1p-53;
    return static_cast<std::size_t>(std::pow(double(words_.size()), share)) - 1;
  }

  std::mt19937_64 random_{42};
  std::vector<std::string> words_;
};

}  // namespace memseal::bench
