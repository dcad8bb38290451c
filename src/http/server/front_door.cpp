#include "http/server/front_door.hpp"

#include <algorithm>

namespace memseal::http {

bool ByteBudget::take(const ByteHolder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  // add() may have gone beyond both.
  const auto fits = [bytes](std::size_t held, std::size_t most) {
    return held <= most && bytes <= most - held;
  };
  const auto own = held_by_.find(holder);
  if (!fits(held_, most_) || !fits(own == held_by_.end() ? 0 : own->second, share_)) return false;
  held_ += bytes;
  held_by_[holder] += bytes;
  gauge_.Increment(static_cast<double>(bytes));
  return true;
}

void ByteBudget::add(const ByteHolder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  held_ += bytes;
  held_by_[holder] += bytes;
  gauge_.Increment(static_cast<double>(bytes));
}

void ByteBudget::give(const ByteHolder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  held_ -= bytes;
  const auto own = held_by_.find(holder);
  if ((own->second -= bytes) == 0) held_by_.erase(own);
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
