#include "pure/audit/checkpoint.hpp"

#include "pure/codec/big_endian.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace memseal::audit {

namespace {

constexpr std::array<std::string_view, 2> kind_names{"head", "pruned"};
constexpr std::array<std::string_view, 5> finding_names{"changed", "missing", "cut", "checkpoint",
                                                        "unsigned"};

Bytes signed_bytes(const Checkpoint& checkpoint) {
  // The purpose keeps a signature of this key over something else (a receipt, an event) from being
  // shown as one of a checkpoint. Every field behind it has a fixed size, so no two checkpoints
  // have the same bytes.
  constexpr std::string_view purpose = "memseal/audit-checkpoint/v1";
  Bytes bytes(purpose.begin(), purpose.end());
  const auto append = [&](ByteView more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  append(codec::big_endian(static_cast<std::uint64_t>(checkpoint.n)));
  append(codec::big_endian(static_cast<std::uint64_t>(checkpoint.at_ms)));
  bytes.push_back(static_cast<std::uint8_t>(checkpoint.kind));
  append(checkpoint.head.chain.bytes);
  append(codec::big_endian(static_cast<std::uint64_t>(checkpoint.head.seq)));
  append(checkpoint.head.link);
  append(checkpoint.previous);
  return bytes;
}

}  // namespace

std::string_view checkpoint_kind_name(CheckpointKind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::string_view finding_name(Finding::Kind kind) noexcept {
  return finding_names[static_cast<std::size_t>(kind)];
}

crypto::Digest digest_of(const Checkpoint& checkpoint) {
  auto bytes = signed_bytes(checkpoint);
  // The signature too: the next checkpoint names this digest, so not even a second valid signature
  // over the same fields can take the place of this one.
  bytes.insert(bytes.end(), checkpoint.signature.begin(), checkpoint.signature.end());
  return crypto::sha256(bytes);
}

void sign(Checkpoint& checkpoint, const crypto::SigningKey& key) {
  checkpoint.signature = key.sign(signed_bytes(checkpoint));
}

bool is_signed_by(const Checkpoint& checkpoint, const crypto::VerifyingKey& key) {
  return key.verify(signed_bytes(checkpoint), checkpoint.signature);
}

void LogJudge::find(Finding::Kind kind, const std::string& chain, std::int64_t seq,
                    std::string text) {
  // Each kind for itself, so that nobody hides a deed behind many of another kind.
  const auto at = static_cast<std::size_t>(kind);
  ++found_[at];
  if (told_[at]++ < findings_max)
    findings_.push_back({kind, chain, seq, std::move(text)});
}

void LogJudge::add(const Checkpoint& checkpoint) {
  if (!is_signed_by(checkpoint, signer_)) {
    // Whoever may add rows may forge many; they leave room for what else is wrong with checkpoints.
    if (++forged_ > findings_max / 2)
      ++found_[static_cast<std::size_t>(Finding::Kind::checkpoint)];
    else
      find(Finding::Kind::checkpoint, "", checkpoint.n,
           "the checkpoint was changed, or another deployment signed it");
    return;  // What it says must excuse nothing, and it is nobody's predecessor.
  }
  // By the digest and not by the number, because a forged row takes a number too, for ever.
  if (checkpoint.previous != last_digest_ && checkpoint.n != last_n_ + 1)
    find(Finding::Kind::checkpoint, "", last_n_ + 1, "the checkpoint is missing");
  else if (checkpoint.previous != last_digest_)
    find(Finding::Kind::checkpoint, "", checkpoint.n,
         "the checkpoint does not follow the one before it");
  last_n_ = checkpoint.n;
  last_digest_ = digest_of(checkpoint);
  digests_[checkpoint.n] = last_digest_;
  auto& known = known_[checkpoint.head.chain];
  if (checkpoint.kind == CheckpointKind::head) {
    known.heads[checkpoint.head.seq] = checkpoint.head.link;
  } else if (checkpoint.head.seq > known.pruned_seq) {
    known.pruned_seq = checkpoint.head.seq;
    known.pruned_link = checkpoint.head.link;
  }
}

void LogJudge::begin_chain(const Record& record) {
  end_chain();
  ++chains_;
  auto& known = known_[record.chain];
  known.seen = true;
  // A chain that was pruned begins where the signed record of the pruning says. Any other first
  // record is one whose predecessors were deleted.
  at_ = ChainHead{record.chain, known.pruned_seq, known.pruned_link};
  uncovered_since_ms_.reset();
}

// A process that lives signs what it wrote, and one that died writes nothing more. So records that
// no checkpoint covers, with others of the same process long after them, had one that is gone, or
// somebody keeps processes from signing.
void LogJudge::check_age(const Record& record) {
  const auto covered = known_[record.chain].covered();
  if (record.seq <= covered) return;
  if (record.seq == covered + 1) uncovered_since_ms_ = record.at_ms;
  if (!uncovered_since_ms_ || record.at_ms - *uncovered_since_ms_ <= unsigned_ms_max_) return;
  find(Finding::Kind::unsigned_, record.chain.to_string(), covered + 1,
       "its process went on for " +
           std::to_string((record.at_ms - *uncovered_since_ms_) / 60'000) +
           " minutes, and no checkpoint covers that: the newest ones were removed, or somebody "
           "keeps processes from signing");
  uncovered_since_ms_.reset();
}

void LogJudge::check_head(std::int64_t seq, const crypto::Digest& link) {
  const auto& heads = known_[at_->chain].heads;
  const auto head = heads.find(seq);
  if (head != heads.end() && head->second != link)
    find(Finding::Kind::changed, at_->chain.to_string(), seq,
         "the record is not the one of a checkpoint");
}

void LogJudge::add(const Record& record) {
  ++records_;
  if (!at_ || at_->chain != record.chain) begin_chain(record);
  const auto chain = record.chain.to_string();
  bool follows = true;
  if (record.seq > at_->seq + 1) {
    find(Finding::Kind::missing, chain, at_->seq + 1,
         "records " + std::to_string(at_->seq + 1) + " to " + std::to_string(record.seq - 1) +
             " are missing");
    follows = false;  // The link before this one is not known, so it cannot be judged.
  } else if (record.seq <= at_->seq) {
    find(Finding::Kind::changed, chain, record.seq,
         "the record stands where records were deleted, or twice");
    return;
  }
  if (follows && marks_.link(at_->link, record) != record.link)
    find(Finding::Kind::changed, chain, record.seq,
         "the record does not follow the one before it");
  check_head(record.seq, record.link);
  check_age(record);
  at_->seq = record.seq;
  at_->link = record.link;
}

void LogJudge::end_chain() {
  if (!at_) return;
  const auto& known = known_[at_->chain];
  const auto last = known.heads.empty() ? 0 : known.heads.rbegin()->first;
  if (last > at_->seq)
    find(Finding::Kind::cut, at_->chain.to_string(), at_->seq + 1,
         "the chain ends before record " + std::to_string(last) + ", which a checkpoint has seen");
  // No checkpoint has seen these yet, so that nobody can tell if the last of them were cut. The
  // count is shown and is no finding.
  uncovered_ += std::max<std::int64_t>(0, at_->seq - std::max(last, known.pruned_seq));
  at_.reset();
}

const std::vector<Finding>& LogJudge::finish() {
  end_chain();
  for (auto& [chain, known] : known_) {
    // A chain of which no record is left is met in its checkpoints alone.
    if (std::exchange(known.seen, true) || known.heads.empty()) continue;
    const auto last = known.heads.rbegin()->first;
    if (last > known.pruned_seq)
      find(Finding::Kind::cut, chain.to_string(), known.pruned_seq + 1,
           "no record of the chain is left, and a checkpoint has seen " + std::to_string(last));
  }
  return findings_;
}

std::int64_t LogJudge::found() const noexcept {
  return std::accumulate(found_.begin(), found_.end(), std::int64_t{0});
}

std::vector<LogJudge::Reach> LogJudge::reached() const {
  std::vector<Reach> all;
  for (const auto& [chain, known] : known_)
    if (known.covered() > 0) all.push_back({chain, known.covered(), known.pruned_seq});
  return all;
}

bool LogJudge::holds(std::int64_t n, const crypto::Digest& digest) const {
  const auto found = digests_.find(n);
  return found != digests_.end() && found->second == digest;
}

}  // namespace memseal::audit
