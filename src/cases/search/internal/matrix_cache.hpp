#pragma once
#include "cases/search/internal/tenant_matrix.hpp"
#include "cases/search/matrix_search.hpp"
#include "runtime/context.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

namespace memseal::search {

using MatrixPtr = std::shared_ptr<const TenantMatrix>;

/// The copies of a process, bounded in bytes. Each belongs to the tenant under whose name it lies,
/// and is found under that name alone.
/// Thread: any. A copy that is dropped lives until its last reader has ended, and is then wiped.
class MatrixCache : public std::enable_shared_from_this<MatrixCache> {
 public:
  using Clock = runtime::Clock;

  MatrixCache(SearchMetrics& metrics, MatrixOptions options);
  ~MatrixCache();

  const MatrixOptions& options() const noexcept { return options_; }
  SearchMetrics& metrics() noexcept { return metrics_; }

  /// Whether a question of this tenant may use a copy: there is one, or the tenant asked before and
  /// is not known as one that needs none. Notes that it asked.
  bool is_worth(const crypto::Tenant& owner);
  /// For so long the tenant is not worth a copy.
  void avoid(const crypto::Tenant& owner, std::chrono::milliseconds how_long);

  /// The generations of keys that the tenant's blocks of terms were seen to name.
  std::vector<std::uint32_t> key_ids(const crypto::Tenant& owner);
  /// Adds one, where it is not there. False: there are too many.
  bool note_key(const crypto::Tenant& owner, std::uint32_t id);

  /// The tenant's copy, of whatever version; null: none.
  MatrixPtr find(const crypto::Tenant& owner);

  /// The right to read a tenant's vectors, and room for them. One a tenant, `loads_max` in all.
  class Turn {
   public:
    Turn(std::shared_ptr<MatrixCache> cache, const crypto::Tenant& owner, std::size_t reserved)
        : cache_(std::move(cache)), owner_(owner), reserved_(reserved) {}
    ~Turn() {
      if (cache_) cache_->end_turn(owner_, reserved_);
    }
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;

    /// Reserves so many bytes in all, where it has fewer; false where there is no room for them.
    bool reserve(std::size_t bytes);
    /// Keeps what was read, unless the tenant was forgotten meanwhile, a newer one is there, or
    /// there is no room: then the tenant is avoided for a while.
    void keep(MatrixPtr made) { cache_->put(owner_, std::move(made), reserved_); }

   private:
    std::shared_ptr<MatrixCache> cache_;
    crypto::Tenant owner_;
    std::size_t reserved_;
  };
  /// Nothing where the tenant is being read, too many are, or `bytes` find no room.
  std::optional<Turn> take_turn(const crypto::Tenant& owner, std::size_t bytes);

  enum class Cause { room, idle, erased, wrong };
  void drop(const crypto::Tenant& owner, Cause cause);
  void drop_all(Cause cause);

 private:
  struct Entry {
    MatrixPtr matrix;
    Clock::time_point used;
  };
  struct Seen {
    Clock::time_point asked{}, avoid_until{};
    std::vector<std::uint32_t> key_ids = {};
  };
  using Entries = std::map<crypto::Tenant, Entry>;

  bool reserve_more(const crypto::Tenant& owner, std::size_t bytes);
  void put(const crypto::Tenant& owner, MatrixPtr made, std::size_t reserved);
  void end_turn(const crypto::Tenant& owner, std::size_t reserved);
  // REQUIRES: the lock is held. What is taken out goes to `dropped`, to be wiped after the unlock.
  void take_out(Entries::iterator entry, Cause cause, std::vector<MatrixPtr>& dropped);
  bool make_room(std::size_t bytes, const crypto::Tenant& who, std::vector<MatrixPtr>& dropped);
  void drop_idle(Clock::time_point now, std::vector<MatrixPtr>& dropped);
  void show();

  SearchMetrics& metrics_;
  const MatrixOptions options_;
  std::mutex mutex_;
  Entries entries_;
  std::map<crypto::Tenant, Seen> seen_;
  std::set<crypto::Tenant> loading_, forgotten_;  ///< forgotten while they were read
  std::set<crypto::Tenant> erased_;               ///< for ever, so no copy of them is kept again
  std::size_t bytes_ = 0, reserved_ = 0;
  Clock::time_point next_sweep_{};
};

}  // namespace memseal::search
