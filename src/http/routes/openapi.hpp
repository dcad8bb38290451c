#pragma once
#include <optional>
#include <string_view>

namespace memseal::http {

/// config/openapi.json as it was when this binary was built, in OpenAPI "3.1" (also for an empty
/// version) or "3.2". Empty for another version.
std::optional<std::string_view> openapi_document(std::string_view version);

}  // namespace memseal::http
