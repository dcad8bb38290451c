#pragma once
// The name of a file, sealed in its row.
#include "ports/file_catalog.hpp"
#include "ports/tenant_keys.hpp"
#include "runtime/context.hpp"

#include <string>
#include <string_view>

namespace memseal::knowledge {

namespace asio = boost::asio;

/// Error: seal_failed.
Result<Bytes> seal_name(const crypto::Tenant& owner, const crypto::TenantKey& key, const Uuid& file,
                        std::string_view name);
/// Throws Refused{open_failed} where the name does not open.
asio::awaitable<std::string> open_name(ports::TenantKeys& keys, runtime::RequestContext context,
                                       crypto::Tenant owner, const ports::FileRow& row);

}  // namespace memseal::knowledge
