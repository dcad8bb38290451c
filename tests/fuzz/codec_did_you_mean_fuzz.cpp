// Lines of text, the first one the word, the others the candidates: the answer is one of them, no
// other is nearer, and the distance is one.
#include "base/assert.hpp"
#include "pure/codec/did_you_mean.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

using namespace memseal::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 256));
  std::vector<std::string_view> lines;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (lines.empty()) return 0;
  const auto word = lines.front();
  lines.erase(lines.begin());
  for (const std::size_t edits_max : {0, 2, 9}) {
    const auto found = did_you_mean(word, lines, edits_max);
    const auto distance = found ? edit_distance(word, *found) : edits_max + 1;
    MEMSEAL_ASSERT(!found || (distance <= edits_max && distance < found->size()));
    MEMSEAL_ASSERT(!found || std::find(lines.begin(), lines.end(), *found) != lines.end());
    for (const auto candidate : lines) {
      const auto other = edit_distance(word, candidate);
      MEMSEAL_ASSERT(other == edit_distance(candidate, word));
      MEMSEAL_ASSERT((other == 0) == (word == candidate));
      MEMSEAL_ASSERT(other >= distance || other >= candidate.size());
    }
  }
  return 0;
}
