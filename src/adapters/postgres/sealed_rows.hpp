#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/sealed_rows.hpp"

namespace memseal::postgres {

/// Ciphers in app.memory_chunks and app.documents; counts seals in app.tenants.
/// Thread: any. Lifetime: `pool` outlives it.
class PgSealedRows final : public ports::SealedRows {
 public:
  explicit PgSealedRows(Pool& pool) : pool_(pool) {}

  asio::awaitable<std::vector<ports::SealedTexts>> texts(runtime::RequestContext context,
                                                         crypto::Tenant owner,
                                                         std::uint32_t key_id, Uuid after,
                                                         std::size_t rows_max) override;
  asio::awaitable<std::vector<ports::SealedName>> names(runtime::RequestContext context,
                                                        crypto::Tenant owner,
                                                        std::uint32_t key_id, std::string after,
                                                        std::size_t rows_max) override;
  asio::awaitable<std::int64_t> replace(
      runtime::RequestContext context, crypto::Tenant owner,
      std::vector<ports::Resealed<ports::SealedTexts>> rows) override;
  asio::awaitable<std::int64_t> replace(
      runtime::RequestContext context, crypto::Tenant owner,
      std::vector<ports::Resealed<ports::SealedName>> rows) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres
