#pragma once
// A record of the audit log: who did what to which documents, and its place in a chain.
//
// No record holds content or a name in clear. A user, a token without an id and a document stand as
// keyed hashes (Marks), so that whoever has the keyring finds the records of a name that is known,
// and nobody reads names out of the records.
#include "base/ids.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/tenant.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::audit {

/// How what was asked for ended.
enum class Outcome {
  begun,    ///< it was allowed, and is about to be done; a second record tells the end
  done,
  refused,  ///< by the caller's fault: HTTP 4xx
  failed,   ///< by ours: HTTP 5xx
  gone,     ///< the caller left before the end
};

std::string_view outcome_name(Outcome outcome) noexcept;
/// That of an answer over HTTP; 499 is a client that left.
Outcome outcome_of(int status) noexcept;

/// What happened, as the process that did it knows it: names in clear, for its memory alone.
struct Event {
  std::string action;  ///< "memory.query"
  std::int64_t at_ms = 0;   ///< Unix time
  Outcome outcome = Outcome::done;
  int status = 0;                         ///< of HTTP; 0: a command
  std::optional<crypto::Tenant> who = {};  ///< whose memory; empty: nobody's
  std::string actor = {};                 ///< "token:ID", "operator", "uid:1000"
  std::string address = {};               ///< of the peer
  std::string request_id = {};
  std::vector<std::string> documents = {};  ///< ids, until hash_documents()
  Bytes marks = {};                         ///< of ids that hash_documents() hashed
  std::int64_t count = 0;  ///< of documents where more were touched than are named
};

/// Ids that one record names; `count` tells of more.
inline constexpr std::size_t documents_max = 128;
inline constexpr std::size_t document_mark_bytes = 8;

/// A row of app.audit.
struct Record {
  Uuid chain;
  std::int64_t seq = 0;  ///< from 1
  std::int64_t at_ms = 0;
  std::string action, outcome;
  int status = 0;
  std::string tenant;  ///< Marks::tenant(); empty: nobody's
  std::string actor, address, request_id;
  Bytes documents;     ///< Marks::document() of each, one behind the other
  std::int64_t count = 0;
  crypto::Digest link{};
};

/// The keyed hashes of a deployment. Immutable.
/// Thread: any.
class Marks {
 public:
  /// `root`: of Keyring::audit_key().
  explicit Marks(SecretBytes root) : root_(std::move(root)) {}

  /// 16 hex digits. NOTE: not the hash that other tables have, so that whoever reads this log
  /// alone cannot join it with them.
  std::string tenant(const crypto::Tenant& who) const;
  /// Eight bytes.
  Bytes document(const crypto::Tenant& who, std::string_view id) const;
  /// The link of `record` behind the one whose link is `previous`; all zero before the first.
  /// Covers every other member, each at a fixed width or with its length.
  crypto::Digest link(const crypto::Digest& previous, const Record& record) const;

 private:
  SecretBytes root_;
};

/// Puts marks in the place of the ids of an event that waits, so that it takes a bounded memory: of
/// the first `documents_max`; `count` tells of all. Of nobody's event no id is kept.
void hash_documents(const Marks& marks, Event& event);

/// The end of a chain that one process writes. A value. Thread: one.
struct ChainHead {
  Uuid chain;
  std::int64_t seq = 0;
  crypto::Digest link{};
};

/// The records of `events`, behind `head`, which they move on.
std::vector<Record> chained(const Marks& marks, ChainHead& head, const std::vector<Event>& events);

}  // namespace memseal::audit
