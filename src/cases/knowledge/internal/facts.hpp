#pragma once
// What a client says of a file, sealed as one blob in its row.
#include "cases/knowledge/files.hpp"

namespace memseal::knowledge {

/// Error: seal_failed.
Result<Bytes> seal_facts(const crypto::Tenant& owner, const crypto::TenantKey& key,
                         const Uuid& file, const FileFacts& facts);
/// Throws Refused{open_failed} where the blob does not open.
asio::awaitable<FileFacts> open_facts(ports::TenantKeys& keys, runtime::RequestContext context,
                                      crypto::Tenant owner, const ports::FileRow& row);

/// The row of a file; also one that a standby lacks.
asio::awaitable<std::optional<ports::FileRow>> find_row(ports::FileCatalog& catalog,
                                                        runtime::RequestContext context,
                                                        crypto::Tenant owner, Uuid id);

/// Opens the facts of a row. Throws Refused{open_failed} where they do not open.
asio::awaitable<File> file_of(const KnowledgeDeps& deps, runtime::RequestContext context,
                              crypto::Tenant owner, const ports::FileRow& row);

/// Removes an object that no row names. Where that fails, the sweep removes it later.
asio::awaitable<void> drop_object(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, ports::FileKey object);

}  // namespace memseal::knowledge
