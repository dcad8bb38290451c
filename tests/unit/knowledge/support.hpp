#pragma once
// The use cases of files over fakes.
#include "cases/knowledge/files.hpp"
#include "cases/knowledge/intake.hpp"
#include "cases/knowledge/reading.hpp"
#include "fakes/file_catalog.hpp"
#include "fakes/file_store.hpp"
#include "fakes/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/random.hpp"
#include "support/run_loop.hpp"
#include "support/test_key.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

namespace memseal::knowledge {

class KnowledgeTest : public ::testing::Test {
 public:
  crypto::Keyring keyring = crypto::Keyring::from_keys(test::test_key_hex(1), test::test_key_hex(2),
                                                       test::test_key_hex(3))
                                .value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::FileHasher hasher = keyring.file_hasher();
  fakes::FileStore store;
  fakes::FileCatalog catalog;
  fakes::TenantKeys keys;
  runtime::Metrics registry;
  KnowledgeMetrics metrics{registry};
  Transfers uploads, downloads;
  KnowledgeDeps deps{store, catalog, keys, hasher, uploads, downloads, metrics, {}};
  const runtime::RequestContext context{"test"};

  crypto::Tenant tenant(const std::string& user = "ada") const {
    return tenants.tenant_of(UserId::parse(user).value());
  }

  static Bytes content(std::size_t size, std::uint8_t seed = 3) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256 + seed);
    return bytes;
  }

  static UploadRequest request(std::string name, std::optional<std::uint64_t> length = {},
                               std::string key = {}) {
    return {{std::move(name), "application/pdf", {"work"}}, length, std::move(key)};
  }

  asio::awaitable<Result<TakenFile>> upload(Bytes bytes, UploadRequest asked) {
    auto intake = co_await Intake::begin(deps, context, tenant(), std::move(asked));
    if (!intake) co_return intake.error();
    for (ByteView rest = bytes; !rest.empty();) {
      const auto piece = rest.first(std::min<std::size_t>(rest.size(), 80'000));
      auto taken = co_await (*intake)->take(context, piece);
      if (!taken) co_return taken.error();
      rest = rest.subspan(piece.size());
    }
    co_return co_await (*intake)->finish(context);
  }
  asio::awaitable<Result<TakenFile>> upload(Bytes bytes, std::string name,
                                            std::optional<std::uint64_t> length = {}) {
    auto asked = request(std::move(name), length);
    co_return co_await upload(std::move(bytes), std::move(asked));
  }

  asio::awaitable<Bytes> read(Uuid id, std::uint64_t from, std::uint64_t to) {
    auto reading = co_await Reading::begin(deps, context, tenant(), id);
    Bytes all;
    while (reading && from < to) {
      const auto piece =
          co_await (*reading)->read(context, from, static_cast<std::size_t>(to - from));
      all.insert(all.end(), piece.begin(), piece.end());
      from += piece.size();
    }
    co_return all;
  }

  asio::awaitable<Errc> code_of_reading(Uuid id) {
    Errc seen{};
    try {
      co_await Reading::begin(deps, context, tenant(), id);
    } catch (const Failure& failed) {
      seen = failed.error().code;
    }
    co_return seen;
  }

  asio::awaitable<FilePage> page_of(crypto::Tenant owner, FileQuery query) {
    co_return co_await list_files(deps, context, owner, std::move(query));
  }

  static void run(asio::awaitable<void> work) { test::run(std::move(work)); }
};

}  // namespace memseal::knowledge
