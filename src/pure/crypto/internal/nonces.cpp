#include "pure/crypto/internal/nonces.hpp"

#include "pure/crypto/random.hpp"

#include <pthread.h>

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
};

}  // namespace

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
  if (block.used + sizeof(Nonce) > block.bytes.size() || block.drawn_at_fork != fork) {
    fill_random(block.bytes);
    block.used = 0;
    block.drawn_at_fork = fork;
  }
  Nonce nonce;
  std::copy_n(block.bytes.begin() + static_cast<std::ptrdiff_t>(block.used), nonce.size(),
              nonce.begin());
  block.used += nonce.size();
  return nonce;
}

}  // namespace memseal::crypto
