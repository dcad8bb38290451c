#pragma once
// The producers that may write events, and what each may write. A JSON file:
//
//   {"version": 1, "producers": [
//     {"name": "crm", "tenants": ["acme:*"], "sources": ["/crm"], "topics": ["memory.upload.v1"],
//      "keys": [{"id": "crm-1", "algorithm": "ed25519", "key": "<public key, base64url>",
//                "added": "2026-11-28T10:00:00Z", "revoked": "2026-12-01T08:00:00Z"}]}]}
//
// A pattern is a text that must be equal, or ends in one * and is a prefix. `added` and `revoked`
// may be absent. With algorithm hmac-sha256, `key` is the secret itself. Every other member is
// refused, because a misspelt right must not be lost in silence.
#include "base/result.hpp"
#include "pure/crypto/signing_key.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::producers {

inline constexpr std::size_t registry_bytes_max = 1u << 20;
inline constexpr std::size_t producers_max = 1'000, keys_of_producer_max = 16, patterns_max = 1'000;

/// Sources of the service's own events. No registered producer may use one.
inline constexpr std::string_view own_source_prefix = "/memseal/";
/// The service's own producer and key. Names and key ids that begin so cannot be registered.
inline constexpr std::string_view own_name = "memseal";

/// Whether `text` fits one of `patterns`.
bool fits(const std::vector<std::string>& patterns, std::string_view text) noexcept;

struct ProducerKey {
  std::string id;
  crypto::VerifyingKey key;
  std::string added = {}, revoked = {};  ///< RFC 3339; empty: not known, not revoked
};

struct Producer {
  std::string name;
  std::vector<std::string> tenants;  ///< patterns of user ids
  std::vector<std::string> sources, topics;
  std::vector<ProducerKey> keys;
};

/// Immutable but for add() and revoke(), which only the command line calls.
/// Thread: any that reads.
class Registry {
 public:
  /// Error: bad_config. The message names the producer and the member, and never quotes a key.
  static Result<Registry> parse(std::string_view json);
  /// The text of the file. NOTE: holds secrets where holds_secrets().
  std::string file() const;

  const std::vector<Producer>& producers() const noexcept { return producers_; }
  /// Whether a key is a secret of HMAC, so that nobody else may read the file.
  bool holds_secrets() const noexcept;

  struct Found {
    const Producer& producer;
    const ProducerKey& key;
  };
  std::optional<Found> find(std::string_view key_id) const;

  /// Adds a producer, or a further key to the producer of this name that has the same rights.
  /// Error: bad_config.
  Result<void> add(Producer producer);
  /// Marks keys as revoked at `when` (RFC 3339): the one of this id, or all of the producer.
  /// Returns how many were not revoked before. Error: not_found.
  Result<std::size_t> revoke(std::string_view name, std::string_view key_id, std::string when);

 private:
  Result<void> index();
  std::vector<Producer> producers_;
  std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> places_;  // by key id
};

}  // namespace memseal::producers
