#pragma once
#include "cases/ingest/internal/job.hpp"

#include <deque>
#include <map>
#include <optional>

namespace memseal::ingest {

/// Refused jobs that wait for their dead letters. Tenants have turns, and each has few letters in
/// work, because the letters of a locked tenant do not end before its lock does.
/// Thread: the worker's executor.
class LetterQueue {
 public:
  explicit LetterQueue(std::size_t of_tenant_max) : of_tenant_max_(of_tenant_max) {}

  void push(Job& job);
  /// The next job, whose letter is then in work until done(). Null: there is none, or the tenants
  /// of all that wait have enough letters in work.
  Job* take();
  using Owner = std::optional<crypto::Tenant>;  ///< empty: unknown, for which there is no limit
  static Owner owner_of(const Job& job);
  void done(const Owner& owner);

  bool empty() const noexcept { return size_ == 0; }
  /// All that wait.
  Jobs take_all();
  /// Removes the jobs that are leaving.
  void erase_leaving();

 private:
  struct Line {
    std::deque<Job*> waiting = {};
    std::size_t in_work = 0;
    bool in_turns = false;
  };
  using Lines = std::map<Owner, Line>;
  void settle(Lines::iterator line);

  const std::size_t of_tenant_max_;
  Lines lines_;
  std::deque<Owner> turns_;
  std::size_t size_ = 0;
};

}  // namespace memseal::ingest
