#include "app/cli/model_pull.hpp"

#include "app/cli/disk.hpp"
#include "app/cli/hub_client.hpp"
#include "app/cli/hub_file.hpp"
#include "app/config/text_file.hpp"
#include "base/fd.hpp"
#include "pure/codec/url.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

constexpr int attempts_max = 4;  // of one file, each from where the last broke off
constexpr std::chrono::milliseconds pause_first(500);
constexpr std::size_t lock_bytes_max = 1 << 16;
constexpr const char* pooling_folder = "1_Pooling";  // the one folder that model::hub_files() name

/// Writes the whole text, and the file's name only when all of it is on the disk.
Result<void> write_whole(const fs::path& path, const std::string& text) {
  const auto part = path.string() + ".part";
  const Fd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file || !write_all(file.get(), text.data(), text.size()) ||
      ::fsync(file.get()) != 0 || ::rename(part.c_str(), path.c_str()) != 0)
    return unwritable_file(path, errno);
  return {};
}

/// One pull. The folder `part_` holds what has arrived.
class Pull {
 public:
  Pull(const ModelSource& source, fs::path directory, const PullProgress& progress, HubClient hub)
      : source_(source),
        directory_(std::move(directory)),
        part_(directory_.parent_path() / ("." + directory_.filename().string() + ".part")),
        progress_(progress),
        hub_(std::move(hub)) {}

  Result<model::ModelLock> run() {
    auto listing = list();
    if (!listing) return listing.error();
    if (auto mine = take_folder(); !mine) return mine.error();
    if (auto ready = prepare(*listing); !ready) return ready.error();
    for (const auto& name : listing->files) {
      if (lock_.find(name) != nullptr) continue;  // from an earlier call
      auto file = fetch_until_whole(name);
      if (!file) return file.error();
      // Written after each file, so that a call that is killed loses one file at most.
      lock_.files.push_back(std::move(*file));
      if (auto kept = write_whole(part_ / model::lock_file_name, model::to_json(lock_)); !kept)
        return kept.error();
    }
    if (!sync_path(part_ / pooling_folder) || !sync_path(part_) ||
        ::rename(part_.c_str(), directory_.c_str()) != 0 || !sync_path(part_.parent_path()))
      return unwritable_file(directory_, errno);
    return std::move(lock_);
  }

 private:
  /// The commit and the files to fetch: with a lock file those that it names, and no other, because
  /// a file that it does not name could change the numbers all the same.
  Result<model::HubListing> list() {
    std::vector<std::string> locked;
    for (const auto& name : model::hub_files())
      if (source_.lock && source_.lock->find(name) != nullptr) locked.push_back(name);
    if (const auto missing = model::missing_in(locked); source_.lock && missing)
      return Error{Errc::bad_config, "the lock file " + *missing, "--lock"};
    const auto revision = source_.lock ? source_.lock->revision : source_.revision;
    const auto answer = hub_.get(
        "/api/models/" + source_.repository + "/revision/" + codec::percent_encode(revision),
        {{"Accept", "application/json"}});
    if (!answer) return answer.error();
    if (answer->response.status != 200)
      return refused_by_hub(source_.repository + " at " + revision, answer->response.status);
    auto listing = model::parse_hub_listing(answer->response.body);
    if (!listing)
      return Error{Errc::model_invalid,
                   "what the hub says of " + source_.repository + " " + listing.error().message};
    // Without a lock the hub's newest commit is taken, and the lock file that is written names it.
    if (!source_.lock) return listing;
    if (listing->revision != source_.lock->revision)
      return Error{Errc::model_invalid, "the hub has another commit than the lock file names"};
    for (const auto& name : locked)
      if (std::find(listing->files.begin(), listing->files.end(), name) == listing->files.end())
        return Error{Errc::model_invalid, "the hub has no " + name + ", which the lock names"};
    listing->files = std::move(locked);
    return listing;
  }

  /// Makes the folder this call's alone. The lock is on the folder itself, which keeps it under its
  /// later name, so nothing but a rename may take it away.
  Result<void> take_folder() {
    std::error_code failure;
    fs::create_directories(part_ / pooling_folder, failure);
    if (failure) return unwritable_file(part_, failure.value());
    folder_ = Fd(::open(part_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_) return unwritable_file(part_, errno);
    if (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return unwritable_file(part_, errno);
      return Error{Errc::bad_config, "another `memseal models pull` is writing " + part_.string() +
                                         ": wait until it ends"};
    }
    if (fs::exists(directory_, failure))  // Another call ended just now.
      return Error{Errc::bad_config, directory_.string() + " is there already"};
    return {};
  }

  /// Takes over what an earlier call left of the same commit, and removes the rest.
  Result<void> prepare(const model::HubListing& listing) {
    lock_ = {source_.repository, listing.revision, {}};
    const auto text = read_text_file(part_ / model::lock_file_name, lock_bytes_max);
    const auto earlier = text ? model::parse_model_lock(*text) : Result<model::ModelLock>(Error{});
    const bool is_same = earlier && earlier->repository == source_.repository &&
                         earlier->revision == listing.revision;
    std::set<fs::path> kept{part_ / model::lock_file_name};  // replaced below
    for (const auto& name : listing.files) {
      const auto* const file = is_same ? earlier->find(name) : nullptr;
      const auto digest = file ? sha256_of_file(part_ / name) : Result<std::string>(Error{});
      // Hashed again, because a disk or a person may have changed the file since.
      if (digest && *digest == file->sha256 && is_locked(*file)) {
        lock_.files.push_back(*file);
        kept.insert(part_ / name);
      }
      if (is_same) kept.insert(part_ / (name + ".part"));
    }
    if (auto removed = remove_all_but(kept); !removed) return removed;
    return write_whole(part_ / model::lock_file_name, model::to_json(lock_));
  }

  /// Otherwise a file of an earlier call would get the model's name with the others.
  Result<void> remove_all_but(const std::set<fs::path>& kept) {
    std::error_code failure;
    std::vector<fs::path> rest;
    for (const auto& entry : fs::recursive_directory_iterator(part_, failure))
      if (!fs::is_directory(entry.symlink_status(failure)) && !kept.contains(entry.path()))
        rest.push_back(entry.path());
    for (const auto& path : rest)
      if (!failure) fs::remove(path, failure);
    if (failure) return unwritable_file(part_, failure.value());
    return {};
  }

  bool is_locked(const model::LockedFile& file) const {
    return !source_.lock || source_.lock->find(file.name)->sha256 == file.sha256;
  }

  Result<model::LockedFile> fetch_until_whole(const std::string& name) {
    const HubFile wanted{
        name, "/" + source_.repository + "/resolve/" + lock_.revision + "/" + name,
        source_.lock ? source_.lock->find(name)->sha256 : ""};
    auto pause = pause_first;
    for (int attempt = 1;; ++attempt, pause *= 2) {
      auto file = fetch_hub_file(hub_, wanted, part_, progress_);
      // Only what may pass by itself is tried again: a file that the hub does not have will not be
      // there in a second.
      if (file || attempt == attempts_max || !errc_row(file.error().code).transient()) return file;
      hub_.pause(pause);
    }
  }

  const ModelSource& source_;
  const fs::path directory_, part_;
  const PullProgress& progress_;
  HubClient hub_;
  Fd folder_;  // part_, locked
  model::ModelLock lock_;
};

}  // namespace

Result<model::ModelLock> pull_model(const ModelSource& source, const fs::path& directory,
                                    const PullProgress& progress) {
  auto hub = HubClient::open(source.endpoint, source.token);
  if (!hub) return hub.error();
  return Pull(source, directory, progress, std::move(*hub)).run();
}

std::string how_by_hand(const ModelSource& source, const fs::path& directory) {
  std::string files;
  for (const auto& name : model::hub_files()) files += (files.empty() ? "" : ", ") + name;
  return "by hand: where a network is, fetch " + source.endpoint + "/" + source.repository +
         "/resolve/" + (source.lock ? source.lock->revision : source.revision) +
         "/FILE for each FILE that is there of " + files + "; copy them into " +
         directory.string() + ", then run `memseal models verify " + directory.filename().string() +
         "`. HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror";
}

}  // namespace memseal::app
