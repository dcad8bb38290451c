#pragma once
// Signed marks of how far a chain of the audit log reached, and the proof that nothing is missing.
#include "pure/audit/record.hpp"
#include "pure/crypto/signing_key.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memseal::audit {

enum class CheckpointKind {
  head,    ///< the chain had a record `seq` with this link
  pruned,  ///< the records up to `seq` were deleted because they were old; the next follows `link`
};

std::string_view checkpoint_kind_name(CheckpointKind kind) noexcept;

/// A row of app.audit_checkpoints. Checkpoints of all chains are one chain themselves: each names
/// the digest of the one before it.
struct Checkpoint {
  std::int64_t n = 0;  ///< from 1, growing; a number that a forged row took is left out
  std::int64_t at_ms = 0;
  CheckpointKind kind = CheckpointKind::head;
  ChainHead head;
  crypto::Digest previous{};  ///< of checkpoint n - 1; all zero for the first
  Bytes signature;            ///< Ed25519 over all other members
};

/// SHA-256 of a checkpoint with its signature: what an operator keeps elsewhere, so that nobody can
/// cut the log together with its checkpoints.
crypto::Digest digest_of(const Checkpoint& checkpoint);
void sign(Checkpoint& checkpoint, const crypto::SigningKey& key);
bool is_signed_by(const Checkpoint& checkpoint, const crypto::VerifyingKey& key);

/// What is wrong with a log.
struct Finding {
  enum class Kind {
    changed,     ///< the record is not the one that was written, or records were exchanged
    missing,     ///< records between two others are not there
    cut,         ///< the chain ends before a checkpoint of it
    checkpoint,  ///< a checkpoint is missing, changed, or not signed by this deployment
    unsigned_,   ///< the chain went on for too long without a checkpoint, or its newest were taken
  };
  Kind kind;
  std::string chain;     ///< empty: of the checkpoints
  std::int64_t seq = 0;  ///< the first record, or checkpoint, that it is about
  std::string text;
};

std::string_view finding_name(Finding::Kind kind) noexcept;

/// Judges a log. Give it all checkpoints by their numbers, then all records by chain and place.
/// Memory: the checkpoints, and one link. Thread: one.
class LogJudge {
 public:
  /// `unsigned_ms_max`: what a process writes for longer than that has a checkpoint.
  LogJudge(Marks marks, crypto::VerifyingKey signer,
           std::int64_t unsigned_ms_max = std::numeric_limits<std::int64_t>::max())
      : marks_(std::move(marks)),
        signer_(std::move(signer)),
        unsigned_ms_max_(unsigned_ms_max) {}

  void add(const Checkpoint& checkpoint);
  /// REQUIRES: every checkpoint was added.
  void add(const Record& record);
  /// Ends the log and returns what was found, the same each time. Of each kind at most
  /// `findings_max` are told; found() counts all.
  const std::vector<Finding>& finish();
  std::int64_t found(Finding::Kind kind) const noexcept {
    return found_[static_cast<std::size_t>(kind)];
  }
  std::int64_t found() const noexcept;

  /// How far the signed checkpoints of a chain reach.
  struct Reach {
    Uuid chain;
    std::int64_t covered = 0;  ///< record of the last one
    std::int64_t pruned = 0;   ///< what is deleted up to here, a checkpoint says
  };
  std::vector<Reach> reached() const;

  static constexpr std::size_t findings_max = 1'000;
  std::int64_t records() const noexcept { return records_; }
  std::int64_t chains() const noexcept { return chains_; }
  /// Number of the last checkpoint, and its digest; 0 where there is none.
  std::int64_t checkpoints() const noexcept { return last_n_; }
  const crypto::Digest& last_digest() const noexcept { return last_digest_; }
  /// Records behind the last checkpoint of their chain: whoever cuts these is not found.
  std::int64_t unsigned_records() const noexcept { return uncovered_; }
  /// Whether checkpoint `n` is there with this digest.
  bool holds(std::int64_t n, const crypto::Digest& digest) const;

 private:
  struct Known {
    std::map<std::int64_t, crypto::Digest> heads;
    std::int64_t pruned_seq = 0;
    crypto::Digest pruned_link{};
    bool seen = false;
    std::int64_t covered() const {
      return std::max(pruned_seq, heads.empty() ? 0 : heads.rbegin()->first);
    }
  };
  void find(Finding::Kind kind, const std::string& chain, std::int64_t seq, std::string text);
  void begin_chain(const Record& record);
  void end_chain();
  void check_head(std::int64_t seq, const crypto::Digest& link);
  void check_age(const Record& record);

  Marks marks_;
  crypto::VerifyingKey signer_;
  std::int64_t unsigned_ms_max_;
  std::map<Uuid, Known> known_;
  std::map<std::int64_t, crypto::Digest> digests_;
  std::vector<Finding> findings_;
  std::array<std::int64_t, 5> found_{};  // by kind
  std::array<std::size_t, 5> told_{};    // by kind; not counted: forged ones beyond their part
  std::size_t forged_ = 0;
  std::optional<ChainHead> at_;  // the record before
  std::optional<std::int64_t> uncovered_since_ms_;  // of the chain; empty also once it is told
  std::int64_t records_ = 0, chains_ = 0, last_n_ = 0, uncovered_ = 0;
  crypto::Digest last_digest_{};
};

}  // namespace memseal::audit
