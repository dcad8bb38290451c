#pragma once
#include "base/ids.hpp"
#include "pure/crypto/keyring.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace memseal::ports {

/// The wrapped keys of all tenants, for an operator's command. Every method blocks and throws
/// Failure. Thread: one.
class KeyTable {
 public:
  virtual ~KeyTable() = default;

  struct Row {
    UserHash owner;
    crypto::WrappedKey key;
  };
  struct Change {
    Row before;
    crypto::WrappedKey after;
  };
  struct Place {
    UserHash owner;
    std::uint32_t key_id = 0;
  };

  /// How many keys each KEK wraps, by epoch.
  virtual std::map<std::uint32_t, std::int64_t> count_by_epoch() = 0;
  /// The next rows in the order of Place, of every state. `not_epoch`: without those that this KEK
  /// wraps.
  virtual std::vector<Row> read(std::optional<std::uint32_t> not_epoch,
                                const std::optional<Place>& after, std::size_t rows_max) = 0;
  /// All or nothing, and lasting when it returns. A row that another KEK than before wraps by now,
  /// or that is gone, stays as it is. Returns how many rows changed.
  virtual std::int64_t replace(const std::vector<Change>& changes) = 0;
};

}  // namespace memseal::ports
