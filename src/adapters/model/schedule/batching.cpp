#include "adapters/model/schedule/batching.hpp"

#include <algorithm>
#include <numeric>

namespace memseal::model {

std::vector<std::vector<std::size_t>> plan_batches(std::span<const std::size_t> lengths,
                                                   std::size_t tokens_max) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  // Stable, so that equal lengths keep their order and every run makes the same batches.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });
  std::vector<std::vector<std::size_t>> batches;
  std::size_t room = 0;
  for (const auto index : order) {
    // A length above tokens_max opens a batch of its own, and the next input finds no room in it.
    if (batches.empty() || lengths[index] > room) {
      batches.emplace_back();
      room = tokens_max;
    }
    batches.back().push_back(index);
    room -= std::min(room, lengths[index]);
  }
  return batches;
}

}  // namespace memseal::model
