#pragma once
#include <string_view>

namespace memseal::http {

/// config/openapi.json as it was when this binary was built.
std::string_view openapi_document() noexcept;

}  // namespace memseal::http
