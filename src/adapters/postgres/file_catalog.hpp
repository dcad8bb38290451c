#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/file_catalog.hpp"

namespace memseal::postgres {

/// Files in app.files. Rows that it returns have no tag_macs, because nobody needs them.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgFileCatalog final : public ports::FileCatalog {
 public:
  explicit PgFileCatalog(Pool& pool) : pool_(pool) {}

  asio::awaitable<ports::AddedFile> add(runtime::RequestContext context, crypto::Tenant owner,
                                        ports::FileRow row, ports::FileUse quota) override;
  asio::awaitable<bool> replace_object(runtime::RequestContext context, crypto::Tenant owner,
                                       Uuid id, Uuid from, Uuid to) override;
  asio::awaitable<ports::FileRoom> room(runtime::RequestContext context, crypto::Tenant owner,
                                        Uuid name_mac) override;
  asio::awaitable<std::optional<ports::FileRow>> find(runtime::RequestContext context,
                                                      crypto::Tenant owner, Uuid id) override;
  asio::awaitable<std::optional<ports::FileRow>> find_now(runtime::RequestContext context,
                                                          crypto::Tenant owner, Uuid id) override;
  asio::awaitable<bool> names_object(runtime::RequestContext context, crypto::Tenant owner,
                                     Uuid object) override;
  asio::awaitable<std::vector<ports::FileRow>> list(runtime::RequestContext context,
                                                    crypto::Tenant owner,
                                                    ports::FileListing listing) override;
  asio::awaitable<std::optional<ports::FileRow>> remove(runtime::RequestContext context,
                                                        crypto::Tenant owner, Uuid id) override;
  asio::awaitable<ports::StoreClaim> claim_store(runtime::RequestContext context,
                                                 crypto::Tenant deployment,
                                                 Uuid proposed) override;
  asio::awaitable<void> mark_store_used(runtime::RequestContext context,
                                        crypto::Tenant deployment) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres
