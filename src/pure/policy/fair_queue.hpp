#pragma once
// Whose work is done next.
#include "base/assert.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace memseal::policy {

/// Queues of work that share one worker. Each owner has one queue in each rank, and each piece of
/// work has a cost.
///
/// Within a rank the owners are served by deficit round-robin (Shreedhar and Varghese, "Efficient
/// Fair Queuing using Deficit Round Robin", 1995): over time each gets the same cost, however much
/// it queues and whatever its pieces cost. Pieces of one queue are taken in their order.
///
/// Ranks: the first with work comes first. While it has work, each later one with work gets the
/// share of its owners among all owners with work, at most a quarter, so that none starves, and
/// what the earlier ones leave. By its owners, because otherwise the only owner of a later rank
/// would get more than each of many in an earlier one. A share that is smaller than the next piece
/// is saved for the next take.
///
/// Thread: one executor.
template <class Owner, class Piece, std::size_t ranks = 3>
class FairQueue {
 public:
  /// `quantum`: cost that an owner gets in one round; about the cost of the largest piece.
  explicit FairQueue(std::size_t quantum) : quantum_(quantum) { MEMSEAL_ASSERT(quantum > 0); }

  /// REQUIRES: rank < ranks.
  void push(std::size_t rank, const Owner& owner, Piece piece, std::size_t cost) {
    auto& line = lines_.at(rank);
    auto [queue, is_new] = line.queues.try_emplace(owner);
    if (is_new) line.turns.push_back(owner);
    queue->second.pieces.push_back({std::move(piece), cost});
    ++size_;
  }

  /// Takes the next pieces: at most `pieces_max`, of at most `cost_max` in sum, but at least one.
  /// NOTE: a piece that costs more than a quarter of `cost_max` waits while an earlier rank has
  /// work.
  std::vector<Piece> take(std::size_t cost_max, std::size_t pieces_max) {
    std::vector<Piece> taken;
    if (empty() || pieces_max == 0) return taken;
    Room room{cost_max, pieces_max};
    const auto kept = reserve(room);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      auto& line = lines_[rank];
      room.cost += kept[rank].cost;
      room.pieces += kept[rank].pieces;
      const auto before = room.cost;
      serve(line, room, taken);
      line.saved -= std::min(line.saved, before - room.cost);
    }
    size_ -= taken.size();
    return taken;
  }

  /// Removes the pieces of `owner` for which `drop(piece)` is true.
  template <class Drop>
  void erase_if(const Owner& owner, Drop drop) {
    for (auto& line : lines_) {
      const auto queue = line.queues.find(owner);
      if (queue == line.queues.end()) continue;
      size_ -= std::erase_if(queue->second.pieces,
                             [&](const Entry& entry) { return drop(entry.piece); });
      if (!queue->second.pieces.empty()) continue;
      line.queues.erase(queue);
      std::erase(line.turns, owner);
    }
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

 private:
  static_assert(ranks >= 1 && ranks <= 4, "the first rank keeps at least a quarter of each take");

  struct Entry {
    Piece piece;
    std::size_t cost;
  };
  struct Queue {
    std::deque<Entry> pieces;
    std::size_t credit = 0;
    bool in_turn = false;  // has its credit of this round
  };
  struct Line {
    std::map<Owner, Queue> queues;
    std::deque<Owner> turns;
    std::size_t saved = 0;  // share of earlier takes that no piece has used
  };
  struct Room {
    std::size_t cost, pieces;
  };

  // What each later rank may take, out of `room`.
  std::array<Room, ranks> reserve(Room& room) {
    std::size_t owners = 0;
    for (const auto& line : lines_) owners += line.turns.size();
    const Room quarter{room.cost / 4, room.pieces / 4}, whole = room;
    std::array<Room, ranks> kept{};
    bool is_first = true;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      auto& line = lines_[rank];
      if (line.turns.empty() || std::exchange(is_first, false)) {
        line.saved = 0;
        continue;
      }
      const auto part = [&](std::size_t of) { return of * line.turns.size() / owners; };
      // Above a quarter only by one share, so that the rest of a share is not lost.
      line.saved = std::min(line.saved, quarter.cost) + part(whole.cost);
      const auto cost = std::min(line.saved, quarter.cost);
      if (line.queues.at(line.turns.front()).pieces.front().cost > cost) continue;
      const auto pieces = std::min(std::max<std::size_t>(part(whole.pieces), 1), quarter.pieces);
      kept[rank] = {cost, pieces};
      room.cost -= cost;
      room.pieces -= pieces;
    }
    return kept;
  }

  void serve(Line& line, Room& room, std::vector<Piece>& taken) {
    while (!line.turns.empty() && room.pieces > 0) {
      const auto at = line.queues.find(line.turns.front());
      auto& queue = at->second;
      if (!std::exchange(queue.in_turn, true)) queue.credit += quantum_;
      while (!queue.pieces.empty() && queue.pieces.front().cost <= queue.credit) {
        auto& next = queue.pieces.front();
        // An owner whose piece does not fit keeps its turn and its credit for the next take.
        if (room.pieces == 0 || (next.cost > room.cost && !taken.empty())) return;
        queue.credit -= next.cost;
        room.cost -= std::min(room.cost, next.cost);
        --room.pieces;
        taken.push_back(std::move(next.piece));
        queue.pieces.pop_front();
      }
      end_turn(line, at);
    }
  }

  // An owner without work forgets its credit, so that nobody saves up for a burst.
  void end_turn(Line& line, typename std::map<Owner, Queue>::iterator at) {
    auto owner = std::move(line.turns.front());
    line.turns.pop_front();
    if (at->second.pieces.empty()) {
      line.queues.erase(at);
      return;
    }
    at->second.in_turn = false;
    line.turns.push_back(std::move(owner));
  }

  const std::size_t quantum_;
  std::array<Line, ranks> lines_;
  std::size_t size_ = 0;
};

}  // namespace memseal::policy
