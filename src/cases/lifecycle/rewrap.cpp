#include "cases/lifecycle/rewrap.hpp"

#include "base/result.hpp"

#include <optional>
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

KeyWalk rewrap_keys(ports::KeyTable& table, const crypto::Keyring& keyring,
                    const KeyProgress& progress, std::size_t batch_keys) {
  const auto keyer = keyring.tenant_keyer();
  KeyWalk total;
  for (;;) {
    KeyWalk round;
    walk(table, keyring.kek_epoch(), batch_keys, [&](Batch batch) {
      std::vector<ports::KeyTable::Change> changes;
      for (auto& row : batch) {
        auto fresh = keyring.rewrap(keyer.tenant_of_hash(row.owner), row.key);
        if (fresh)
          changes.push_back({std::move(row), std::move(*fresh)});
        else
          ++round.unopened;
      }
      if (!changes.empty()) table.replace(changes);
      round.sound += static_cast<std::int64_t>(changes.size());
      if (progress) progress(total.sound + round.sound);
    });
    total.sound += round.sound;
    total.unopened = round.unopened;
    if (round.sound == 0) return total;
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
