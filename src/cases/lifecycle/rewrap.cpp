#include "cases/lifecycle/rewrap.hpp"

#include "base/result.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::lifecycle {

namespace {

constexpr std::size_t verify_batch_keys = 1'000;

using Batch = std::vector<ports::KeyTable::Row>;

/// Hands `visit` the rows in batches, in their order.
void walk(ports::KeyTable& table, std::optional<std::uint32_t> not_epoch, std::size_t batch_keys,
          const std::function<void(Batch)>& visit) {
  std::optional<ports::KeyTable::Place> after;
  for (;;) {
    auto batch = table.read(not_epoch, after, batch_keys);
    if (batch.empty()) return;
    const bool last = batch.size() < batch_keys;
    after = ports::KeyTable::Place{batch.back().owner, batch.back().key.key_id};
    visit(std::move(batch));
    if (last) return;
  }
}

}  // namespace

namespace {

/// What a walk changed, and what it meant to.
struct RewrapRound {
  std::int64_t changed = 0, wanted = 0, unopened = 0;
};

/// Two keyrings that each wrap what the other one wrapped would go on for ever.
void refuse_newer(std::uint32_t epoch, const crypto::Keyring& keyring) {
  if (epoch > keyring.kek_epoch())
    throw_failure({Errc::key_invalid,
                   "a tenant's key is wrapped by key-encryption key " + std::to_string(epoch) +
                       ", which this keyring has not as the current one: fetch the newest "
                       "keyring"});
}

}  // namespace

KeyWalk rewrap_keys(ports::KeyTable& table, const crypto::Keyring& keyring,
                    const KeyProgress& progress, std::size_t batch_keys) {
  const auto keyer = keyring.tenant_keyer();
  KeyWalk total;
  for (bool idle = false;;) {
    RewrapRound round;
    walk(table, keyring.kek_epoch(), batch_keys, [&](Batch batch) {
      std::vector<ports::KeyTable::Change> changes;
      for (auto& row : batch) {
        auto fresh = keyring.rewrap(keyer.tenant_of_hash(row.owner), row.key);
        if (!fresh) {
          ++round.unopened;
          continue;
        }
        refuse_newer(row.key.kek_epoch, keyring);
        changes.push_back({std::move(row), std::move(*fresh)});
      }
      if (!changes.empty()) round.changed += table.replace(changes);
      round.wanted += static_cast<std::int64_t>(changes.size());
      if (progress) progress(total.sound + round.changed);
    });
    total.sound += round.changed;
    total.unopened = round.unopened;
    if (round.wanted == 0) return total;
    // Once may be an erasure, or another command that was quicker; then the next walk meets none.
    if (round.changed == 0 && std::exchange(idle, true))
      throw_failure({Errc::internal,
                     "the database changed none of " + std::to_string(round.wanted) +
                         " rows of app.tenant_keys: does postgres.dsn lead to the database that "
                         "postgres.backup_dsn reads?"});
    if (round.changed > 0) idle = false;
  }
}

KeyWalk verify_keys(ports::KeyTable& table, const crypto::Keyring& keyring,
                    const KeyProgress& progress) {
  const auto keyer = keyring.tenant_keyer();
  KeyWalk seen;
  walk(table, std::nullopt, verify_batch_keys, [&](Batch batch) {
    for (const auto& row : batch) {
      const auto key = keyring.unwrap(keyer.tenant_of_hash(row.owner), row.key);
      ++(key ? seen.sound : seen.unopened);
    }
    if (progress) progress(seen.sound + seen.unopened);
  });
  return seen;
}

}  // namespace memseal::lifecycle
