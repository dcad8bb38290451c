#include "pure/crypto/internal/nonces.hpp"

#include "pure/crypto/random.hpp"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace memseal::crypto {

namespace {

// Counts the forks that led to this process. A process id would not do, because the system uses ids
// again.
std::atomic<std::uint64_t> forks{1};

void count_fork() { forks.fetch_add(1, std::memory_order_relaxed); }

// Random bytes of one thread that no message has used yet. A nonce is public once it is used, so
// the block is not wiped.
struct Block {
  std::array<std::uint8_t, 4096> bytes{};
  std::size_t used = bytes.size();
  std::uint64_t drawn_at_fork = 0;
  Clocks drawn_at;
};

std::int64_t read_ms(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000 + time.tv_nsec / 1'000'000;
}

// Coarse, because each seal asks, and a few milliseconds tell nothing here.
Clocks read_clocks() {
  return {read_ms(CLOCK_MONOTONIC_COARSE), read_ms(CLOCK_REALTIME_COARSE)};
}

}  // namespace

bool is_stale(const Clocks& drawn, const Clocks& now) noexcept {
  constexpr std::int64_t age_max_ms = 1'000, drift_max_ms = 250;
  const auto age = now.monotonic_ms - drawn.monotonic_ms;
  const auto drift = now.wall_ms - drawn.wall_ms - age;
  return age < 0 || age > age_max_ms || drift < -drift_max_ms || drift > drift_max_ms;
}

std::uint64_t forks_seen() {
  // Abort without the hook, because a forked child could then repeat a nonce.
  static const bool hooked = [] {
    if (pthread_atfork(nullptr, nullptr, count_fork) != 0) std::abort();
    return true;
  }();
  return hooked ? forks.load(std::memory_order_relaxed) : 0;
}

// Two messages under one key with one nonce reveal the difference of their texts and let an
// attacker forge tags (NIST SP 800-38D, appendix A). After a fork, parent and child hold the same
// block.
Nonce next_nonce() {
  thread_local Block block;
  const auto fork = forks_seen();
  const auto now = read_clocks();
  if (block.used + sizeof(Nonce) > block.bytes.size() || block.drawn_at_fork != fork ||
      is_stale(block.drawn_at, now)) {
    fill_random(block.bytes);
    block.used = 0;
    block.drawn_at_fork = fork;
    block.drawn_at = now;
  }
  Nonce nonce;
  std::copy_n(block.bytes.begin() + static_cast<std::ptrdiff_t>(block.used), nonce.size(),
              nonce.begin());
  block.used += nonce.size();
  return nonce;
}

}  // namespace memseal::crypto
