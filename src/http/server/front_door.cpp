#include "http/server/front_door.hpp"

#include <algorithm>

namespace memseal::http {

bool ByteBudget::take(std::size_t bytes) noexcept {
  auto held = held_.load(std::memory_order_relaxed);
  do {
    if (bytes > most_ - held) return false;
  } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  gauge_.Increment(static_cast<double>(bytes));
  return true;
}

void ByteBudget::give(std::size_t bytes) noexcept {
  held_.fetch_sub(bytes, std::memory_order_relaxed);
  gauge_.Decrement(static_cast<double>(bytes));
}

PeerNetwork network_of(const boost::asio::ip::address& address) noexcept {
  PeerNetwork network{};
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    network[10] = network[11] = 0xff;
    std::ranges::copy(bytes, network.begin() + 12);
    return network;
  }
  const auto v6 = address.to_v6();
  const auto bytes = v6.to_bytes();
  std::copy_n(bytes.begin(), v6.is_v4_mapped() ? 16 : 8, network.begin());
  return network;
}

}  // namespace memseal::http
