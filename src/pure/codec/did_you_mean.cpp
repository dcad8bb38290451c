#include "pure/codec/did_you_mean.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace memseal::codec {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Levenshtein distance by one row of its table. Before step i, row[j] is the distance between the
  // first i - 1 bytes of `a` and the first j bytes of `b`. `diagonal` keeps row[j - 1] from before
  // this step overwrote it.
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> did_you_mean(std::string_view word,
                                             std::span<const std::string_view> candidates,
                                             std::size_t edits_max) {
  std::optional<std::string_view> best;
  std::size_t best_distance = edits_max + 1;
  for (const auto candidate : candidates) {
    // The distance is at least the difference in length: a long word costs no time.
    const auto [shorter, longer] = std::minmax<std::size_t>({word.size(), candidate.size()});
    if (longer - shorter >= best_distance) continue;
    const auto distance = edit_distance(word, candidate);
    // A distance of the candidate's whole length means that the two share nothing.
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace memseal::codec
