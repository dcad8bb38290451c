#include "cases/search/internal/matrix_cache.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace memseal::search {

namespace {

// Tenants of which it is remembered when they asked: some 100 bytes each. More than these, and all
// are forgotten, which costs each a question that the database compares.
constexpr std::size_t seen_max = 32'768;
constexpr std::chrono::seconds sweep_every{30};
// A tenant gets another key after 2^27 seals.
constexpr std::size_t key_ids_max = 8;
// Erased tenants that are remembered, of the many that never ask again.
constexpr std::size_t erased_max = 65'536;

}  // namespace

MatrixCache::MatrixCache(SearchMetrics& metrics, MatrixOptions options)
    : metrics_(metrics), options_(options) {}

MatrixCache::~MatrixCache() {
  metrics_.bytes.Set(0);
  metrics_.tenants.Set(0);
}

bool MatrixCache::is_worth(const crypto::Tenant& owner) {
  if (options_.bytes == 0) return false;
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (seen_.size() >= seen_max && !seen_.contains(owner)) seen_.clear();
  const auto [entry, is_new] = seen_.try_emplace(owner, Seen{now});
  auto& seen = entry->second;
  const bool asked_before = !is_new && now - seen.asked <= options_.asked_again_within;
  seen.asked = now;
  if (now < seen.avoid_until) return false;
  return asked_before || entries_.contains(owner);
}

void MatrixCache::avoid(const crypto::Tenant& owner, std::chrono::milliseconds how_long) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  seen_.try_emplace(owner, Seen{now}).first->second.avoid_until = now + how_long;
}

std::vector<std::uint32_t> MatrixCache::key_ids(const crypto::Tenant& owner) {
  const std::lock_guard lock(mutex_);
  const auto seen = seen_.find(owner);
  return seen == seen_.end() ? std::vector<std::uint32_t>() : seen->second.key_ids;
}

bool MatrixCache::note_key(const crypto::Tenant& owner, std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  auto& ids = seen_.try_emplace(owner).first->second.key_ids;
  // Another question may have noted the key since this one began.
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) return true;
  if (ids.size() == key_ids_max) return false;
  ids.push_back(id);
  return true;
}

// The idle ones are dropped here and not in is_worth(), which the loop calls: wiping takes time.
MatrixPtr MatrixCache::find(const crypto::Tenant& owner) {
  std::vector<MatrixPtr> dropped;  // declared before the lock: it is wiped after the unlock
  const std::lock_guard lock(mutex_);
  if (const auto now = Clock::now(); now >= next_sweep_) {
    drop_idle(now, dropped);
    next_sweep_ = now + sweep_every;
  }
  const auto found = entries_.find(owner);
  if (found == entries_.end()) return nullptr;
  found->second.used = Clock::now();
  return found->second.matrix;
}

std::optional<MatrixCache::Turn> MatrixCache::take_turn(const crypto::Tenant& owner,
                                                        std::size_t bytes) {
  std::vector<MatrixPtr> dropped;  // declared before the lock: it is wiped after the unlock
  const std::lock_guard lock(mutex_);
  if (loading_.contains(owner) || loading_.size() >= options_.loads_max) return std::nullopt;
  if (!make_room(bytes, owner, dropped)) return std::nullopt;
  loading_.insert(owner);
  reserved_ += bytes;
  return std::optional<Turn>(std::in_place, shared_from_this(), owner, bytes);
}

bool MatrixCache::reserve_more(const crypto::Tenant& owner, std::size_t bytes) {
  std::vector<MatrixPtr> dropped;
  const std::lock_guard lock(mutex_);
  if (!make_room(bytes, owner, dropped)) return false;
  reserved_ += bytes;
  return true;
}

bool MatrixCache::Turn::reserve(std::size_t bytes) {
  if (bytes <= reserved_) return true;
  if (!cache_->reserve_more(owner_, bytes - reserved_)) return false;
  reserved_ = bytes;
  return true;
}

void MatrixCache::end_turn(const crypto::Tenant& owner, std::size_t reserved) {
  const std::lock_guard lock(mutex_);
  loading_.erase(owner);
  forgotten_.erase(owner);
  reserved_ -= reserved;
}

void MatrixCache::put(const crypto::Tenant& owner, MatrixPtr made, std::size_t reserved) {
  std::vector<MatrixPtr> dropped;
  const std::lock_guard lock(mutex_);
  // A snapshot from before an erasure may be read after it, and a standby's for some time.
  if (forgotten_.contains(owner) || erased_.contains(owner) || made->owner() != owner) return;
  const auto old = entries_.find(owner);
  // A question of an older snapshot, as a standby may show it, must not undo what is newer.
  if (old != entries_.end() &&
      old->second.matrix->version().count > made->version().count) return;
  const auto old_bytes = old == entries_.end() ? 0 : old->second.matrix->bytes();
  // Its own reservation and its older copy make room too.
  const auto credit = reserved + old_bytes;
  if (made->bytes() > credit && !make_room(made->bytes() - credit, owner, dropped)) {
    // Its terms took more than was reserved. Otherwise each question would read all of it again.
    seen_.try_emplace(owner).first->second.avoid_until = Clock::now() + options_.unfit_for;
    return;
  }
  bytes_ += made->bytes();
  bytes_ -= old_bytes;
  auto& entry = entries_[owner];
  if (entry.matrix) dropped.push_back(std::move(entry.matrix));
  entry = {std::move(made), Clock::now()};
  show();
}

void MatrixCache::drop(const crypto::Tenant& owner, Cause cause) {
  std::vector<MatrixPtr> dropped;
  const std::lock_guard lock(mutex_);
  if (loading_.contains(owner)) forgotten_.insert(owner);
  if (cause == Cause::erased) {
    if (erased_.size() >= erased_max) erased_.erase(erased_.begin());
    erased_.insert(owner);
  }
  if (const auto found = entries_.find(owner); found != entries_.end())
    take_out(found, cause, dropped);
}

void MatrixCache::drop_all(Cause cause) {
  std::vector<MatrixPtr> dropped;
  const std::lock_guard lock(mutex_);
  forgotten_.insert(loading_.begin(), loading_.end());
  while (!entries_.empty()) take_out(entries_.begin(), cause, dropped);
}

void MatrixCache::take_out(Entries::iterator entry, Cause cause, std::vector<MatrixPtr>& dropped) {
  bytes_ -= entry->second.matrix->bytes();
  dropped.push_back(std::move(entry->second.matrix));
  entries_.erase(entry);
  runtime::Counter* counters[]{&metrics_.evicted_for_room, &metrics_.evicted_idle,
                               &metrics_.evicted_erased, &metrics_.evicted_wrong};
  counters[static_cast<std::size_t>(cause)]->Increment();
  show();
}

// Takes out first what costs most: bytes, times the time since they were used.
bool MatrixCache::make_room(std::size_t bytes, const crypto::Tenant& who,
                            std::vector<MatrixPtr>& dropped) {
  const auto now = Clock::now();
  if (bytes > options_.bytes) return false;
  while (bytes_ + reserved_ + bytes > options_.bytes) {
    auto worst = entries_.end();
    double worst_cost = -1;
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      const auto age = now - at->second.used;
      if (at->first == who || age < options_.kept_at_least) continue;
      const double cost = static_cast<double>(at->second.matrix->bytes()) *
                          (1 + std::chrono::duration<double>(age).count());
      if (cost > worst_cost) worst = at, worst_cost = cost;
    }
    if (worst == entries_.end()) return false;
    take_out(worst, Cause::room, dropped);
  }
  return true;
}

void MatrixCache::drop_idle(Clock::time_point now, std::vector<MatrixPtr>& dropped) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (now - at->second.used > options_.idle_max) take_out(at, Cause::idle, dropped);
    at = next;
  }
}

void MatrixCache::show() {
  metrics_.bytes.Set(static_cast<double>(bytes_));
  metrics_.tenants.Set(static_cast<double>(entries_.size()));
}

}  // namespace memseal::search
