#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace memseal::model {

/// Splits inputs of these lengths into batches of neighbours in length, each with at most
/// `tokens_max` tokens or one input. Every index occurs exactly once; shortest inputs first.
std::vector<std::vector<std::size_t>> plan_batches(std::span<const std::size_t> lengths,
                                                   std::size_t tokens_max);

}  // namespace memseal::model
