#pragma once
#include "ports/file_store.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace memseal::files {

namespace asio = boost::asio;

class Folder;

struct LocalFilesOptions {
  std::filesystem::path directory;  ///< made where it is missing; several processes may share it
  std::size_t threads = 4;          ///< calls to the disk at one time
  std::uint64_t free_bytes_min = 0;  ///< uploads stop where the disk has less free space
};

/// Keeps files in a directory of this machine. Calls to the disk run on threads of its own.
/// Lifetime: the loops that call it outlive it.
/// NOTE: the directory lies on a local file system, because flock() tells a living upload from one
///       that its process left behind.
class LocalFiles final : public ports::FileStore {
 public:
  /// Makes the directory where it is missing.
  /// Error: bad_config or unavailable, which names the directory.
  static Result<std::unique_ptr<LocalFiles>> open(LocalFilesOptions options);
  /// Waits for the calls that run.
  ~LocalFiles() override;

  asio::awaitable<std::unique_ptr<ports::FileUpload>> begin(runtime::RequestContext context,
                                                            crypto::Tenant owner) override;
  asio::awaitable<std::optional<ports::FilePiece>> read(runtime::RequestContext context,
                                                        crypto::Tenant owner, ports::FileKey key,
                                                        std::uint64_t offset,
                                                        std::size_t bytes_max) override;
  asio::awaitable<bool> remove(runtime::RequestContext context, crypto::Tenant owner,
                               ports::FileKey key) override;
  asio::awaitable<std::size_t> remove_all(runtime::RequestContext context,
                                          crypto::Tenant owner) override;
  asio::awaitable<std::unique_ptr<ports::HeldFile>> hold(runtime::RequestContext context,
                                                         crypto::Tenant owner,
                                                         ports::FileKey key) override;
  asio::awaitable<std::optional<Uuid>> mark(runtime::RequestContext context) override;
  asio::awaitable<Uuid> ensure_mark(runtime::RequestContext context, Uuid wanted) override;
  asio::awaitable<std::size_t> sweep_unfinished(runtime::RequestContext context) override;
  asio::awaitable<std::optional<ports::FilesOfTenant>> next_tenant(
      runtime::RequestContext context, std::optional<UserHash> after) override;

 private:
  LocalFiles(std::shared_ptr<const Folder> folder, std::size_t threads)
      : folder_(std::move(folder)), disk_(threads) {}

  const std::shared_ptr<const Folder> folder_;
  asio::thread_pool disk_;
};

}  // namespace memseal::files
