#pragma once
#include "adapters/postgres/migrate.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace memseal::postgres {

/// Keys of app.settings.
namespace setting {
inline constexpr const char* schema_version = "schema_version";
inline constexpr const char* dimension = "dimension";
inline constexpr const char* model = "model";
inline constexpr const char* key_check = "tenant_key_check";
}  // namespace setting

/// Key of the setting that holds a KEK's check value, or kek_retired.
std::string kek_check_key(std::uint32_t epoch);
/// The tombstone of a KEK: no keyring needs it any more, and none may wrap by it.
inline constexpr const char* kek_retired = "retired";

using Settings = std::map<std::string, std::string>;

/// The newest KEK that is recorded; 0: none.
std::uint32_t newest_kek(const Settings& recorded);

/// A deployment's fingerprint as rows of app.settings. What is empty has no row.
Settings fingerprint_of(std::size_t dimension, const std::string& model,
                        const std::optional<KeyCheck>& key_check, const KekChecks& keks = {});

/// Settings that both sides have must be equal. A KEK that is recorded must be there where `ours`
/// has any. `kek_current` is the one that `ours` wraps by, and must not be retired; 0: not checked.
/// Errors: dimension_mismatch, key_invalid, key_missing.
Result<void> compare_fingerprints(const Settings& recorded, const Settings& ours,
                                  std::uint32_t kek_current = 0);

}  // namespace memseal::postgres
