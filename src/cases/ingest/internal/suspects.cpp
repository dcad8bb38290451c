#include "cases/ingest/internal/suspects.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace memseal::ingest {

void SuspectLine::push(Suspects group) {
  MEMSEAL_ASSERT(!group.pieces.empty());
  const auto at = lines_.try_emplace(group.pieces.front().owner()).first;
  at->second.hung += group.hung;
  at->second.groups.push_back(std::move(group));
  settle(at);
}

std::optional<Suspects> SuspectLine::take(bool only_fresh) {
  auto turn = std::find_if(turns_.begin(), turns_.end(), [this](const crypto::Tenant& owner) {
    return !lines_.at(owner).groups.front().tried;
  });
  if (turn == turns_.end() && !only_fresh) turn = turns_.begin();
  if (turn == turns_.end()) return std::nullopt;
  const auto at = lines_.find(*turn);
  auto group = std::move(at->second.groups.front());
  at->second.groups.pop_front();
  at->second.in_hand = true;
  settle(at);
  return group;
}

void SuspectLine::done(const crypto::Tenant& owner, bool hung) {
  const auto at = lines_.find(owner);
  at->second.in_hand = false;
  at->second.hung -= hung;
  settle(at);
}

bool SuspectLine::holds(const crypto::Tenant& owner) const {
  const auto found = lines_.find(owner);
  return found != lines_.end() && found->second.hung > 0;
}

std::vector<crypto::Tenant> SuspectLine::erase_leaving() {
  std::vector<crypto::Tenant> owners;
  for (auto at = lines_.begin(); at != lines_.end();) {
    const auto next = std::next(at);
    auto& line = at->second;
    std::size_t erased = 0;
    for (auto& group : line.groups)
      erased += std::erase_if(group.pieces, [](const Piece& piece) { return piece.job->leaving; });
    if (erased > 0) owners.push_back(at->first);
    std::erase_if(line.groups, [&line](const Suspects& group) {
      if (group.pieces.empty()) line.hung -= group.hung;
      return group.pieces.empty();
    });
    settle(at);
    at = next;
  }
  return owners;
}

// A tenant is in turns_ once while groups of it wait and none is in hand.
void SuspectLine::settle(Lines::iterator at) {
  const auto& [owner, line] = *at;
  const bool wants = !line.groups.empty() && !line.in_hand;
  const auto turn = std::find(turns_.begin(), turns_.end(), owner);
  if (wants && turn == turns_.end()) turns_.push_back(owner);
  if (!wants && turn != turns_.end()) turns_.erase(turn);
  if (line.groups.empty() && !line.in_hand) lines_.erase(at);
}

}  // namespace memseal::ingest
