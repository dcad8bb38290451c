#include "cases/inference/embed_pace.hpp"

#include <chrono>

namespace memseal::inference {

namespace {

constexpr std::size_t sample_tokens_min = 512;
// Weight of the newest sample: a busy second passes, a slower machine shows within some calls.
constexpr double newest = 0.3;

}  // namespace

void EmbedPace::record(std::size_t tokens, runtime::Clock::duration took,
                       runtime::Clock::time_point now) noexcept {
  if (tokens < sample_tokens_min) return;
  // A pace from long ago must not weigh on the first sample after a pause.
  if (now - recorded_ > kept) ns_per_token_ = 0;
  recorded_ = now;
  const std::chrono::duration<double, std::nano> ns = took;
  const auto sample = ns.count() / static_cast<double>(tokens);
  ns_per_token_ = ns_per_token_ > 0 ? ns_per_token_ + newest * (sample - ns_per_token_) : sample;
}

std::optional<runtime::Clock::duration> EmbedPace::time_for(
    std::size_t tokens, runtime::Clock::time_point now) const noexcept {
  if (ns_per_token_ <= 0 || now - recorded_ > kept) return {};
  const std::chrono::duration<double, std::nano> ns(ns_per_token_ * static_cast<double>(tokens));
  return std::chrono::duration_cast<runtime::Clock::duration>(ns);
}

}  // namespace memseal::inference
