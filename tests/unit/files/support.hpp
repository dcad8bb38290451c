#pragma once
// Tenants, keys and sealed files for the tests of the file store.
#include "adapters/files/local_files.hpp"
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/sealed_stream.hpp"
#include "support/run_loop.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace memseal::files::testing {

inline const crypto::TenantKey& key() {
  static const crypto::TenantKey made{1, SecretBytes(ByteView(Bytes(32, 7)))};
  return made;
}

inline crypto::Tenant tenant(std::string_view user) {
  static const crypto::TenantKeyer keyer(SecretBytes(ByteView(Bytes(32, 9))));
  return keyer.tenant_of(UserId::parse(user).value());
}

/// A store and the loop that waits for its threads. The loop is the older one, because a thread
/// holds the loop's executor until it has handed over the result.
struct Rig {
  explicit Rig(const std::filesystem::path& directory)
      : store(LocalFiles::open({directory, 2, 0}).value()) {}
  void run(asio::awaitable<void> work) { test::run_to_end(loop, std::move(work)); }

  asio::io_context loop{1};
  std::unique_ptr<LocalFiles> store;
};

/// Seals `content` into `store`, in parts of a few frames, and returns its key.
inline asio::awaitable<ports::FileKey> put(ports::FileStore& store, crypto::Tenant owner,
                                           Bytes content, Uuid file) {
  const runtime::RequestContext context{"test"};
  auto sealer = crypto::StreamSealer::start(owner, key(), file, 12).value();
  crypto::ContentHash hash(key().key);
  auto upload = co_await store.begin(context, owner);
  for (ByteView rest = content; !rest.empty();) {
    const auto piece = rest.first(std::min<std::size_t>(rest.size(), 20'000));
    crypto::SealedPart part;
    sealer.write(piece, part).value();
    hash.update(piece);
    co_await upload->append(context, std::move(part));
    rest = rest.subspan(piece.size());
  }
  crypto::SealedPart last;
  sealer.finish(last).value();
  co_await upload->append(context, std::move(last));
  const ports::FileKey name{hash.finish(), file};
  co_await upload->commit(context, name);
  co_return name;
}

/// What the object opens to; nothing where it is missing, damaged or not what its name says.
inline asio::awaitable<std::optional<Bytes>> get(ports::FileStore& store, crypto::Tenant owner,
                                                 ports::FileKey name) {
  const runtime::RequestContext context{"test"};
  auto head = co_await store.read(context, owner, name, 0, crypto::stream_header_bytes);
  if (!head) co_return std::nullopt;
  auto opener = crypto::StreamOpener::start(owner, key(), name.file, head->bytes);
  if (!opener) co_return std::nullopt;
  crypto::StreamReader reader(std::move(*opener));
  crypto::ContentHash hash(key().key);
  Bytes plain;
  const auto take = [&](ByteView bytes) {
    plain.insert(plain.end(), bytes.begin(), bytes.end());
    hash.update(bytes);
  };
  for (std::uint64_t at = crypto::stream_header_bytes; at < head->total;) {
    auto piece = co_await store.read(context, owner, name, at, 50'000);
    if (!piece || piece->bytes.empty() || !reader.write(piece->bytes, take)) co_return std::nullopt;
    at += piece->bytes.size();
  }
  if (!reader.finish(take) || hash.finish() != name.content) co_return std::nullopt;
  co_return plain;
}

/// Every plain file below `directory`.
inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) found.push_back(entry.path());
  return found;
}

/// Every object of the store.
inline asio::awaitable<std::vector<ports::FilesOfTenant>> all_of(ports::FileStore& store) {
  const runtime::RequestContext context{"test"};
  std::vector<ports::FilesOfTenant> all;
  std::optional<UserHash> after;
  for (;;) {
    auto next = co_await store.next_tenant(context, after);
    if (!next) co_return all;
    after = next->owner;
    all.push_back(std::move(*next));
  }
}

}  // namespace memseal::files::testing
