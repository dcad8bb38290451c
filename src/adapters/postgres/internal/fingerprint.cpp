#include "adapters/postgres/internal/fingerprint.hpp"

#include "base/ids.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace memseal::postgres {

namespace {

constexpr std::string_view kek_check_prefix = "kek_check_";

bool is_kek_check(std::string_view key) { return key.starts_with(kek_check_prefix); }

std::string epoch_of(std::string_view key) {
  return std::string(key.substr(kek_check_prefix.size()));
}

Result<void> check_keks_are_there(const Settings& recorded, const Settings& ours) {
  const auto has_any = [&] {
    for (const auto& [key, value] : ours)
      if (is_kek_check(key)) return true;
    return false;
  };
  if (!has_any()) return {};
  for (const auto& [key, value] : recorded)
    if (is_kek_check(key) && value != kek_retired && !ours.contains(key))
      return Error{Errc::key_missing,
                   "the keyring has no key-encryption key " + epoch_of(key) +
                       ", which wraps keys in this database: give memseal the newest keyring"};
  return {};
}

}  // namespace

std::string kek_check_key(std::uint32_t epoch) {
  return std::string(kek_check_prefix) + std::to_string(epoch);
}

std::uint32_t newest_kek(const Settings& recorded) {
  std::uint32_t newest = 0;
  for (const auto& [key, value] : recorded) {
    if (!is_kek_check(key)) continue;
    const auto digits = epoch_of(key);
    std::uint32_t epoch = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
    newest = std::max(newest, epoch);
  }
  return newest;
}

Settings fingerprint_of(std::size_t dimension, const std::string& model,
                        const std::optional<KeyCheck>& key_check, const KekChecks& keks) {
  Settings fingerprint{{setting::dimension, std::to_string(dimension)}};
  if (!model.empty()) fingerprint.emplace(setting::model, model);
  if (key_check)
    fingerprint.emplace(setting::key_check, to_hex(key_check->data(), key_check->size()));
  for (const auto& [epoch, check] : keks)
    fingerprint.emplace(kek_check_key(epoch), to_hex(check.data(), check.size()));
  return fingerprint;
}

Result<void> compare_fingerprints(const Settings& recorded, const Settings& ours,
                                  std::uint32_t kek_current) {
  const auto current = recorded.find(kek_check_key(kek_current));
  if (current != recorded.end() && current->second == kek_retired)
    return Error{Errc::key_invalid,
                 "key-encryption key " + std::to_string(kek_current) +
                     ", by which this keyring wraps, is retired: give memseal the newest keyring"};
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
    if (is_kek_check(key)) {
      // A keyring that was not renewed since may still have it.
      if (found->second == kek_retired) continue;
      return Error{Errc::key_invalid,
                   "key-encryption key " + epoch_of(key) +
                       " is another one than the database records: somebody rotated another copy "
                       "of the keyring; give memseal that copy"};
    }
    return Error{Errc::dimension_mismatch,
                 "the database holds vectors of " + key + " " + found->second +
                     ", this configuration makes " + key + " " + value +
                     ": set the embedder back, or use another database (`memseal migrate down "
                     "--to 0 --force` then `up` makes this one new and erases all chunks)"};
  }
  return check_keks_are_there(recorded, ours);
}

}  // namespace memseal::postgres
