#pragma once
#include "ports/chunk_search.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::search {

/// The nearest rows among those that are offered one by one, as far as distances with an error can
/// tell: all that may be among the `limit` nearest ones behind `after`.
class Nearest {
 public:
  struct Scored {
    float distance;
    std::uint32_t block, row;
  };

  /// Two distances of one row differ by `error` at most, by whomever they are computed.
  Nearest(std::size_t limit, float error, const std::optional<ports::SearchPlace>& after);

  void offer(float distance, std::uint32_t block, std::uint32_t row) {
    if (distance <= far_ && distance >= near_) {
      at_place_.push_back({distance, block, row});
      return;
    }
    if (distance < near_) return;
    ++behind_;
    if (distance > bound_) return;
    kept_.push_back({distance, block, row});
    if (kept_.size() == room_) prune();
  }

  /// Ends the offers. So many of the rows are certainly behind `after`, but `limit` at most.
  std::size_t certain();
  /// After certain(): the rows.
  const std::vector<Scored>& kept() const noexcept { return kept_; }
  /// Rows that may lie before or behind `after`.
  const std::vector<Scored>& at_place() const noexcept { return at_place_; }

 private:
  void prune();

  std::size_t limit_, room_, behind_ = 0;
  float error_, near_, far_, bound_;
  std::vector<Scored> kept_, at_place_;
};

}  // namespace memseal::search
