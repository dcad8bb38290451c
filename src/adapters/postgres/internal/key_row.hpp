#pragma once
#include "adapters/postgres/internal/binary.hpp"
#include "pure/crypto/keyring.hpp"

#include <pqxx/pqxx>

#include <algorithm>

namespace memseal::postgres {

/// The columns key_id, kek_epoch, wrapped and kcv of app.tenant_keys, from column `first` on.
inline crypto::WrappedKey key_in(const pqxx::row& row, int first) {
  crypto::WrappedKey key;
  key.key_id = row[first].as<std::uint32_t>();
  key.kek_epoch = row[first + 1].as<std::uint32_t>();
  key.wrapped = parse_bytea(row[first + 2].view());
  const Bytes check = parse_bytea(row[first + 3].view());
  // The table's CHECK demands 16 bytes. Fewer would fail the comparison later, and must not be read
  // beyond their end here.
  std::copy_n(check.begin(), std::min(check.size(), key.check.size()), key.check.begin());
  return key;
}

}  // namespace memseal::postgres
