#pragma once
// Chunks among which one may make the embedder fail or hang.
#include "cases/ingest/internal/job.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memseal::ingest {

/// One chunk, whose vector goes to its job.
struct Piece {
  Job* job;
  std::size_t index;

  const text::Chunk& chunk() const { return job->prepared->document->chunks[index]; }
  const std::string& embedded_text() const { return job->prepared->document->embedded_text(index); }
  ports::Embedding& embedding() const { return (*job->embeddings)[index]; }
  const crypto::Tenant& owner() const { return *job->prepared->tenant; }
};

/// Chunks of one tenant.
struct Suspects {
  std::vector<Piece> pieces;
  bool hung = false;                        ///< the call took too long; else it failed
  bool tried = false;                       ///< without others
  std::optional<Error> failed_before = {};  ///< why they were to blame then
};

/// Suspects that wait to be tried apart. One tenant has one group tried at a time, and tenants have
/// their turns, so that a tenant with many of them keeps nobody waiting.
/// Thread: the worker's executor.
class SuspectLine {
 public:
  /// REQUIRES: group.pieces is not empty.
  void push(Suspects group);
  /// The next group. First those that were not tried without others, because most of them are
  /// innocent and shared a call; `only_fresh`: no others. done() ends its turn.
  std::optional<Suspects> take(bool only_fresh);
  void done(const crypto::Tenant& owner, bool hung);
  /// Whether a call for chunks of the tenant hung, which was not tried again yet.
  bool holds(const crypto::Tenant& owner) const;
  /// Removes the pieces of jobs that leave. Returns the tenants that had any.
  std::vector<crypto::Tenant> erase_leaving();
  bool empty() const noexcept { return turns_.empty(); }

 private:
  struct Line {
    std::deque<Suspects> groups = {};
    bool in_hand = false;  ///< one is being tried
    std::size_t hung = 0;  ///< groups that hung, with the one in hand
  };
  using Lines = std::map<crypto::Tenant, Line>;
  void settle(Lines::iterator at);

  Lines lines_;
  std::deque<crypto::Tenant> turns_;  // with groups and none in hand
};

}  // namespace memseal::ingest
