#include "adapters/postgres/internal/fingerprint.hpp"

#include "base/ids.hpp"

namespace memseal::postgres {

Settings fingerprint_of(std::size_t dimension, const std::string& model,
                        const std::optional<KeyCheck>& key_check) {
  Settings fingerprint{{setting::dimension, std::to_string(dimension)}};
  if (!model.empty()) fingerprint.emplace(setting::model, model);
  if (key_check)
    fingerprint.emplace(setting::key_check, to_hex(key_check->data(), key_check->size()));
  return fingerprint;
}

Result<void> compare_fingerprints(const Settings& recorded, const Settings& ours) {
  for (const auto& [key, value] : ours) {
    // What the database has not recorded yet cannot differ; `migrate up` records it.
    const auto found = recorded.find(key);
    if (found == recorded.end() || found->second == value) continue;
    // Another tenant key hashes users differently. Every row would seem to be missing, as if the
    // database were empty.
    if (key == setting::key_check) {
      return Error{Errc::key_invalid,
                   "the tenant key is not the one this database was written with: give memseal "
                   "the keyring that the database was migrated with, or another database"};
    }
    return Error{Errc::dimension_mismatch,
                 "the database holds vectors of " + key + " " + found->second +
                     ", this configuration makes " + key + " " + value +
                     ": set the embedder back, or use another database (`memseal migrate down "
                     "--to 0 --force` then `up` makes this one new and erases all chunks)"};
  }
  return {};
}

}  // namespace memseal::postgres
