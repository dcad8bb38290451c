#pragma once
#include "adapters/postgres/migrate.hpp"
#include "base/result.hpp"

#include <map>
#include <string>

namespace memseal::postgres {

/// Keys of app.settings.
namespace setting {
inline constexpr const char* schema_version = "schema_version";
inline constexpr const char* dimension = "dimension";
inline constexpr const char* model = "model";
inline constexpr const char* key_check = "tenant_key_check";
}

using Settings = std::map<std::string, std::string>;

/// What a deployment brings, in the form of app.settings; empty facts are left out.
Settings fingerprint_of(std::size_t dimension, const std::string& model,
                  const std::optional<KeyCheck>& key_check);

/// Every fact that both know must agree: dimension_mismatch or key_invalid otherwise.
Result<void> compare_fingerprints(const Settings& recorded, const Settings& brought);

}  // namespace memseal::postgres
