#include "adapters/files/local_files.hpp"

#include "adapters/files/internal/folder.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace memseal::files {

namespace {

// The work on a disk thread shares the file, because a caller that is cancelled stops waiting
// while the work goes on.
class LocalUpload final : public ports::FileUpload {
 public:
  LocalUpload(asio::thread_pool& disk, const UserHash& owner, std::shared_ptr<Unfinished> file)
      : disk_(disk), owner_(owner), file_(std::move(file)) {}
  // Closing and unlinking may block, so the last owner is a disk thread.
  ~LocalUpload() override {
    asio::post(disk_, [file = std::move(file_)] {});
  }

  asio::awaitable<void> append(runtime::RequestContext, crypto::SealedPart part) override {
    auto work = [file = file_, part = std::move(part)](std::stop_token) {
      file->append(part.view());
      return true;
    };
    co_await runtime::offload(disk_, std::move(work));
  }

  asio::awaitable<void> commit(runtime::RequestContext, ports::FileKey key) override {
    auto work = [file = file_, owner = owner_, key](std::stop_token) {
      file->commit(owner, key);
      return true;
    };
    co_await runtime::offload(disk_, std::move(work));
  }

 private:
  asio::thread_pool& disk_;
  const UserHash owner_;
  std::shared_ptr<Unfinished> file_;
};

}  // namespace

Result<std::unique_ptr<LocalFiles>> LocalFiles::open(LocalFilesOptions options) {
  const auto where = options.directory.string();
  try {
    auto folder = std::make_shared<const Folder>(std::move(options.directory));
    // One file now, because a directory that cannot be written is otherwise found by the first
    // client.
    const Unfinished probe(folder);
    return std::unique_ptr<LocalFiles>(new LocalFiles(std::move(folder), options.threads));
  } catch (const Failure& failed) {
    return Error{failed.error().code, where + ": " + failed.error().message, "files.directory"};
  }
}

LocalFiles::~LocalFiles() { disk_.join(); }

asio::awaitable<std::unique_ptr<ports::FileUpload>> LocalFiles::begin(runtime::RequestContext,
                                                                      crypto::Tenant owner) {
  auto work = [folder = folder_](std::stop_token) { return std::make_shared<Unfinished>(folder); };
  auto file = co_await runtime::offload(disk_, std::move(work));
  co_return std::make_unique<LocalUpload>(disk_, owner.hash(), std::move(file));
}

asio::awaitable<std::optional<ports::FilePiece>> LocalFiles::read(runtime::RequestContext,
                                                                  crypto::Tenant owner,
                                                                  ports::FileKey key,
                                                                  std::uint64_t offset,
                                                                  std::size_t bytes_max) {
  auto work = [folder = folder_, owner = owner.hash(), key, offset, bytes_max](std::stop_token) {
    return folder->read(owner, key, offset, bytes_max);
  };
  co_return co_await runtime::offload(disk_, std::move(work));
}

asio::awaitable<bool> LocalFiles::remove(runtime::RequestContext, crypto::Tenant owner,
                                         ports::FileKey key) {
  auto work = [folder = folder_, owner = owner.hash(), key](std::stop_token) {
    return folder->remove(owner, key);
  };
  co_return co_await runtime::offload(disk_, std::move(work));
}

asio::awaitable<std::size_t> LocalFiles::sweep_unfinished(runtime::RequestContext) {
  auto work = [folder = folder_](std::stop_token) { return folder->sweep_unfinished(); };
  co_return co_await runtime::offload(disk_, std::move(work));
}

asio::awaitable<std::optional<ports::FilesOfTenant>> LocalFiles::next_tenant(
    runtime::RequestContext, std::optional<UserHash> after) {
  auto work = [folder = folder_, after](std::stop_token) { return folder->next_tenant(after); };
  co_return co_await runtime::offload(disk_, std::move(work));
}

}  // namespace memseal::files
