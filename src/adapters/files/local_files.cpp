#include "adapters/files/local_files.hpp"

#include "adapters/files/internal/folder.hpp"
#include "adapters/files/internal/unfinished.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <utility>

namespace memseal::files {

namespace {

// One part is written while the caller makes the next one: append() waits for the part before its
// own. The work on a disk thread shares the file, because a caller that is cancelled stops waiting
// while the work goes on.
class LocalUpload final : public ports::FileUpload {
 public:
  LocalUpload(asio::thread_pool& disk, const UserHash& owner, std::shared_ptr<Unfinished> file)
      : disk_(disk), in_turn_(disk.get_executor()), owner_(owner), file_(std::move(file)) {}
  // Closing and unlinking may block, so the last owner is a disk thread.
  ~LocalUpload() override {
    asio::post(disk_, [file = std::move(file_)] {});
  }

  asio::awaitable<void> append(runtime::RequestContext, crypto::SealedPart part) override {
    auto wait = [file = file_](std::stop_token) {
      file->require_written();
      return true;
    };
    co_await in_turn(std::move(wait));
    asio::post(in_turn_, [file = file_, part = std::move(part)] { file->write(part.view()); });
  }

  asio::awaitable<void> commit(runtime::RequestContext, ports::FileKey key) override {
    auto work = [file = file_, owner = owner_, key](std::stop_token) {
      file->require_written();
      file->commit(owner, key);
      return true;
    };
    co_await in_turn(std::move(work));
  }

 private:
  /// Awaits `work` on a disk thread, after all that was handed over before.
  template <class Work>
  asio::awaitable<void> in_turn(Work work) {
    auto submit = [in_turn = in_turn_](auto task) { asio::post(in_turn, std::move(task)); };
    co_await runtime::offload_by(disk_, std::move(submit), std::move(work));
  }

  asio::thread_pool& disk_;
  asio::strand<asio::thread_pool::executor_type> in_turn_;
  const UserHash owner_;
  std::shared_ptr<Unfinished> file_;
};

class LocalHeld final : public ports::HeldFile {
 public:
  LocalHeld(asio::thread_pool& disk, std::shared_ptr<const Folder> folder, const UserHash& owner,
            const ports::FileKey& key, Fd file)
      : disk_(disk), folder_(std::move(folder)), owner_(owner), key_(key), file_(std::move(file)) {}

  asio::awaitable<void> remove(runtime::RequestContext) override {
    auto work = [folder = folder_, owner = owner_, key = key_](std::stop_token) {
      folder->remove_held(owner, key);
      return true;
    };
    co_await runtime::offload(disk_, std::move(work));
  }

 private:
  asio::thread_pool& disk_;
  const std::shared_ptr<const Folder> folder_;
  const UserHash owner_;
  const ports::FileKey key_;
  const Fd file_;  // its lock
};

}  // namespace

Result<std::unique_ptr<LocalFiles>> LocalFiles::open(LocalFilesOptions options) {
  const auto where = options.directory.string();
  try {
    auto folder = std::make_shared<const Folder>(options.directory, options.free_bytes_min);
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
  auto work = [folder = folder_](std::stop_token) {
    auto file = std::make_shared<Unfinished>(folder);
    file->require_space();
    return file;
  };
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

asio::awaitable<std::size_t> LocalFiles::remove_all(runtime::RequestContext,
                                                    crypto::Tenant owner) {
  auto work = [folder = folder_, owner = owner.hash()](std::stop_token stop) {
    return folder->remove_all(owner, stop);
  };
  co_return co_await runtime::offload(disk_, std::move(work));
}

asio::awaitable<std::unique_ptr<ports::HeldFile>> LocalFiles::hold(runtime::RequestContext,
                                                                   crypto::Tenant owner,
                                                                   ports::FileKey key) {
  auto work = [folder = folder_, owner = owner.hash(), key](std::stop_token) {
    return folder->hold(owner, key);
  };
  auto file = co_await runtime::offload(disk_, std::move(work));
  if (!file) co_return nullptr;
  co_return std::make_unique<LocalHeld>(disk_, folder_, owner.hash(), key, std::move(file));
}

asio::awaitable<std::optional<Uuid>> LocalFiles::mark(runtime::RequestContext) {
  auto work = [folder = folder_](std::stop_token) { return folder->mark(); };
  co_return co_await runtime::offload(disk_, std::move(work));
}

asio::awaitable<Uuid> LocalFiles::ensure_mark(runtime::RequestContext, Uuid wanted) {
  auto work = [folder = folder_, wanted](std::stop_token) { return folder->ensure_mark(wanted); };
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
