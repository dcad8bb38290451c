#include "app/cli/model_pull.hpp"

#include "app/cli/hub_client.hpp"
#include "app/config/text_file.hpp"
#include "base/fd.hpp"
#include "base/ids.hpp"
#include "pure/codec/url.hpp"
#include "pure/crypto/sha256_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

constexpr int attempts_max = 4;  // of one file, each from where the last broke off
constexpr std::chrono::milliseconds pause_first(500);
constexpr std::size_t lock_bytes_max = 1 << 16;

Error unwritable(const fs::path& path, int error) {
  return {Errc::bad_config,
          "cannot write " + path.string() + ": " + std::generic_category().message(error)};
}

Result<std::string> sha256_of(const fs::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return unwritable(path, errno);
  crypto::Sha256Stream hash;
  std::array<std::uint8_t, 1 << 16> piece;
  for (;;) {
    const auto got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0) return unwritable(path, errno);
    if (got == 0) {
      const auto digest = hash.finish();
      return to_hex(digest.data(), digest.size());
    }
    hash.update(ByteView(piece.data(), static_cast<std::size_t>(got)));
  }
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code none;
  const auto size = fs::file_size(path, none);
  return none ? 0 : size;
}

/// Writes the whole text, and the file's name only when all of it is there.
Result<void> write_whole(const fs::path& path, const std::string& text) {
  const auto part = path.string() + ".part";
  const Fd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(part.c_str(), path.c_str()) != 0)
    return unwritable(path, errno);
  return {};
}

Error refused(const std::string& what, int status) {
  const auto said = "the hub answers " + std::to_string(status) + " for " + what;
  if (status == 401 || status == 403)
    return {Errc::unauthenticated,
            said +
                ": the model may not exist, or needs a token (--token-file) whose owner has "
                "accepted its terms"};
  if (status == 404) return {Errc::not_found, said + ": there is no such model, revision or file"};
  if (status == 408 || status == 429 || status >= 500) return {Errc::unavailable, said};
  return {Errc::model_invalid, said};
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
    if (auto ready = prepare(listing->revision); !ready) return ready.error();
    for (const auto& name : listing->files) {
      if (lock_.find(name) != nullptr) continue;  // from an earlier call
      auto file = fetch_until_whole(name);
      if (!file) return file.error();
      lock_.files.push_back(std::move(*file));
      if (auto kept = write_whole(part_ / model::lock_file_name, model::to_json(lock_)); !kept)
        return kept.error();
    }
    if (::rename(part_.c_str(), directory_.c_str()) != 0) return unwritable(directory_, errno);
    return std::move(lock_);
  }

 private:
  Result<model::HubListing> list() {
    const auto revision = source_.lock ? source_.lock->revision : source_.revision;
    const auto answer = hub_.get(
        "/api/models/" + source_.repository + "/revision/" + codec::percent_encode(revision),
        {{"Accept", "application/json"}});
    if (!answer) return answer.error();
    if (answer->response.status != 200)
      return refused(source_.repository + " at " + revision, answer->response.status);
    auto listing = model::parse_hub_listing(answer->response.body);
    if (!listing)
      return Error{Errc::model_invalid,
                   "what the hub says of " + source_.repository + " " + listing.error().message};
    if (!source_.lock) return listing;
    if (listing->revision != source_.lock->revision)
      return Error{Errc::model_invalid, "the hub has another commit than the lock file names"};
    for (const auto& file : source_.lock->files)
      if (std::find(listing->files.begin(), listing->files.end(), file.name) ==
          listing->files.end())
        return Error{Errc::model_invalid, "the hub has no " + file.name + ", which the lock names"};
    return listing;
  }

  /// Makes the folder, or takes over what an earlier call left of the same commit.
  Result<void> prepare(const std::string& revision) {
    lock_ = {source_.repository, revision, {}};
    std::error_code failure;
    const auto text = read_text_file(part_ / model::lock_file_name, lock_bytes_max);
    const auto earlier = text ? model::parse_model_lock(*text) : Result<model::ModelLock>(Error{});
    if (earlier && earlier->repository == source_.repository && earlier->revision == revision) {
      for (const auto& file : earlier->files) {
        const auto digest = sha256_of(part_ / file.name);
        if (digest && *digest == file.sha256 && is_locked(file)) lock_.files.push_back(file);
      }
    } else {
      fs::remove_all(part_, failure);
    }
    fs::create_directories(part_ / "1_Pooling", failure);
    if (failure) return unwritable(part_, failure.value());
    return write_whole(part_ / model::lock_file_name, model::to_json(lock_));
  }

  bool is_locked(const model::LockedFile& file) const {
    if (!source_.lock) return true;
    const auto* const wanted = source_.lock->find(file.name);
    return wanted == nullptr || wanted->sha256 == file.sha256;
  }

  Result<model::LockedFile> fetch_until_whole(const std::string& name) {
    auto pause = pause_first;
    for (int attempt = 1;; ++attempt, pause *= 2) {
      auto file = fetch(name);
      if (file || attempt == attempts_max || !errc_row(file.error().code).transient()) return file;
      hub_.pause(pause);
    }
  }

  /// One request for what is missing of a file. Errors: as pull_model().
  Result<model::LockedFile> fetch(const std::string& name) {
    const auto path = part_ / (name + ".part");
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file) return unwritable(path, errno);
    std::uint64_t there = size_of(path), whole = 0;
    http_client::Headers headers;
    if (there > 0) headers.emplace_back("Range", "bytes=" + std::to_string(there) + "-");
    int write_error = 0;
    const auto began = [&](const http_client::Response& head) {
      // A host that knows no ranges sends the whole file again.
      const auto range = "bytes " + std::to_string(there) + "-";
      const bool continues = head.status == 206 && head.header("content-range").starts_with(range);
      if (head.status == 206 && !continues) return false;
      if (!continues && ::ftruncate(file.get(), 0) != 0) return write_error = errno, false;
      there = continues ? there : 0;
      whole =
          there + std::strtoull(std::string(head.header("content-length")).c_str(), nullptr, 10);
      return true;
    };
    const auto sink = [&](std::string_view piece) {
      while (!piece.empty()) {
        const auto wrote = ::write(file.get(), piece.data(), piece.size());
        if (wrote < 0) return write_error = errno, false;
        piece.remove_prefix(static_cast<std::size_t>(wrote));
        there += static_cast<std::uint64_t>(wrote);
      }
      if (progress_) progress_(name, there, whole);
      return true;
    };
    const auto answer = hub_.get(
        "/" + source_.repository + "/resolve/" + lock_.revision + "/" + name, headers, began, sink);
    if (write_error != 0) return unwritable(path, write_error);
    if (!answer) return answer.error();
    const int status = answer->response.status;
    // What is there is as long as the file, or longer; its hash tells which.
    if (status != 200 && status != 206 && status != 416) return refused(name, status);
    return judged(name, path, *answer);
  }

  /// Compares a whole file with what the lock, else the hub says, and gives it its name.
  Result<model::LockedFile> judged(const std::string& name, const fs::path& path,
                                   const HubClient::Answer& answer) {
    auto digest = sha256_of(path);
    if (!digest) return digest.error();
    model::LockedFile file{name, *digest, size_of(path)};
    const bool hub_agrees =
        !model::is_hex(answer.linked_etag, 64) || answer.linked_etag == file.sha256;
    std::error_code ignored;
    if (!hub_agrees || !is_locked(file)) {
      fs::remove(path, ignored);
      return Error{Errc::model_invalid, name + " holds other bytes than " +
                                            (hub_agrees ? "the lock file names" : "the hub names") +
                                            "; it was thrown away"};
    }
    if (::rename(path.c_str(), (part_ / name).c_str()) != 0) return unwritable(part_ / name, errno);
    return file;
  }

  const ModelSource& source_;
  const fs::path directory_, part_;
  const PullProgress& progress_;
  HubClient hub_;
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
