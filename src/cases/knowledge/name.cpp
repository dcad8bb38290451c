#include "cases/knowledge/internal/name.hpp"

#include <utility>

namespace memseal::knowledge {

Result<Bytes> seal_name(const crypto::Tenant& owner, const crypto::TenantKey& key, const Uuid& file,
                        std::string_view name) {
  const crypto::SealBinding place{file};
  const ByteView plain(reinterpret_cast<const std::uint8_t*>(name.data()), name.size());
  return crypto::Sealer::seal(owner, key, crypto::Field::document_name, place, plain);
}

asio::awaitable<std::string> open_name(ports::TenantKeys& keys, runtime::RequestContext context,
                                       crypto::Tenant owner, const ports::FileRow& row) {
  const auto key_id = crypto::Sealer::key_id_of(row.name_cipher).value();
  const auto key = co_await keys.opening_key(std::move(context), owner, key_id);
  if (!key) throw_failure({Errc::open_failed, "the key of a file's name is not there"});
  const crypto::SealBinding place{row.id};
  const auto name =
      crypto::Sealer::open(owner, *key, crypto::Field::document_name, place, row.name_cipher)
          .value();
  co_return std::string(reinterpret_cast<const char*>(name.view().data()), name.size());
}

}  // namespace memseal::knowledge
