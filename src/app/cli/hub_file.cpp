#include "app/cli/hub_file.hpp"

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "pure/crypto/git_blob.hpp"
#include "pure/crypto/sha256_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

/// Gives every piece of a file to `update`. Error: bad_config.
template <class Update>
Result<void> each_piece(const fs::path& path, Update update) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return unwritable_file(path, errno);
  std::array<std::uint8_t, 1 << 16> piece;
  for (;;) {
    const auto got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0) return unwritable_file(path, errno);
    if (got == 0) return {};
    update(ByteView(piece.data(), static_cast<std::size_t>(got)));
  }
}

Result<std::string> git_name_of(const fs::path& path, std::uint64_t bytes) {
  crypto::GitBlobName name(bytes);
  if (auto read = each_piece(path, [&](ByteView piece) { name.update(piece); }); !read)
    return read.error();
  return name.finish();
}

std::uint64_t bytes_in(const fs::path& path) {
  std::error_code none;
  const auto size = fs::file_size(path, none);
  return none ? 0 : size;
}

std::optional<std::uint64_t> content_length(const http_client::Response& head) {
  const auto text = head.header("content-length");
  std::uint64_t length = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return length;
}

/// One request for what is missing of a file.
class HubFetch {
 public:
  HubFetch(HubClient& hub, const HubFile& wanted, const fs::path& folder,
           const PullProgress& progress)
      : hub_(hub),
        wanted_(wanted),
        path_(folder / (wanted.name + ".part")),
        whole_path_(folder / wanted.name),
        progress_(progress) {}

  Result<model::LockedFile> run() {
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file_) return unwritable_file(path_, errno);
    there_ = bytes_in(path_);
    http_client::Headers headers;
    if (there_ > 0) headers.emplace_back("Range", "bytes=" + std::to_string(there_) + "-");
    const auto answer = hub_.get(
        wanted_.at_hub, headers, [&](const auto& head) { return begins(head); },
        [&](std::string_view piece) { return takes(piece); });
    if (write_error_ != 0) return unwritable_file(path_, write_error_);
    if (is_other_part_)
      return begin_again_after({Errc::unavailable, "the hub sends another part of " + wanted_.name +
                                                " than was asked for"});
    if (!answer) return answer.error();
    const int status = answer->response.status;
    if (status != 200 && status != 206 && status != 416)
      return refused_by_hub(wanted_.name, status);
    // What is there is then as long as the file, or longer.
    if (status == 416)
      whole_ = model::parse_content_range(answer->response.header("content-range")).whole;
    auto file = judged(*answer);
    if (!file && status == 416) return begin_again_after({Errc::unavailable, file.error().message});
    return file;
  }

 private:
  bool begins(const http_client::Response& head) {
    const auto length = content_length(head);
    if (head.status == 206) {
      const auto range = model::parse_content_range(head.header("content-range"));
      // A cache on the way may answer with a part of its own choice. Appended, it would make a file
      // of the right length and wrong bytes.
      is_other_part_ = range.first != there_;
      whole_ = range.whole;
      if (!whole_ && length) whole_ = there_ + *length;
      return !is_other_part_;
    }
    // A host that knows no ranges sends the whole file again.
    if (::ftruncate(file_.get(), 0) != 0) write_error_ = errno;
    there_ = 0;
    whole_ = length;
    return write_error_ == 0;
  }

  bool takes(std::string_view piece) {
    if (!write_all(file_.get(), piece.data(), piece.size())) return write_error_ = errno, false;
    there_ += piece.size();
    if (progress_) progress_(wanted_.name, there_, whole_.value_or(0));
    return true;
  }

  /// Compares a whole file with what is known of it, and gives it its name.
  Result<model::LockedFile> judged(const HubClient::Answer& answer) {
    const auto bytes = bytes_in(path_);
    const auto linked = answer.linked_size;
    if ((whole_ && bytes < *whole_) || bytes < linked)
      return Error{Errc::unavailable, wanted_.name + " ends after " + std::to_string(bytes) +
                                          " of " + std::to_string(whole_.value_or(linked)) +
                                          " bytes"};
    const auto& hash = answer.linked_etag.empty() ? answer.etag : answer.linked_etag;
    const bool has_sha256 = model::is_hex(answer.linked_etag, 64);
    const bool has_git_name = model::is_hex(hash, 40);
    if (!whole_ && linked == 0 && !has_sha256 && !has_git_name && wanted_.sha256.empty())
      return thrown_away("comes without its length and without a hash, so that nobody can tell "
                         "whether all of it is there");
    const auto sha256 = sha256_of_file(path_);
    if (!sha256) return sha256.error();
    bool hub_agrees = (!whole_ || bytes == *whole_) && (linked == 0 || bytes == linked) &&
                      (!has_sha256 || hash == *sha256);
    if (hub_agrees && has_git_name) {
      const auto name = git_name_of(path_, bytes);
      if (!name) return name.error();
      hub_agrees = hash == *name;
    }
    if (!hub_agrees) return thrown_away("holds other bytes than the hub names");
    if (!wanted_.sha256.empty() && wanted_.sha256 != *sha256)
      return thrown_away("holds other bytes than the lock file names");
    if (::fsync(file_.get()) != 0 || ::rename(path_.c_str(), whole_path_.c_str()) != 0)
      return unwritable_file(whole_path_, errno);
    return model::LockedFile{wanted_.name, *sha256, bytes};
  }

  Error thrown_away(const char* why) {
    std::error_code ignored;
    fs::remove(path_, ignored);
    return {Errc::model_invalid, wanted_.name + " " + why + "; it was thrown away"};
  }

  /// The next request asks for the whole file.
  Error begin_again_after(Error why) {
    std::error_code ignored;
    fs::remove(path_, ignored);
    return why;
  }

  HubClient& hub_;
  const HubFile& wanted_;
  const fs::path path_, whole_path_;
  const PullProgress& progress_;
  Fd file_;
  std::uint64_t there_ = 0;             // bytes of the part
  std::optional<std::uint64_t> whole_;  // bytes of the file, as its host says
  int write_error_ = 0;
  bool is_other_part_ = false;
};

}  // namespace

Error unwritable_file(const fs::path& path, int error) {
  return {Errc::bad_config,
          "cannot write " + path.string() + ": " + std::generic_category().message(error)};
}

Error refused_by_hub(const std::string& what, int status) {
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

Result<std::string> sha256_of_file(const fs::path& path) {
  crypto::Sha256Stream hash;
  if (auto read = each_piece(path, [&](ByteView piece) { hash.update(piece); }); !read)
    return read.error();
  const auto digest = hash.finish();
  return to_hex(digest.data(), digest.size());
}

Result<model::LockedFile> fetch_hub_file(HubClient& hub, const HubFile& file,
                                         const fs::path& folder, const PullProgress& progress) {
  return HubFetch(hub, file, folder, progress).run();
}

}  // namespace memseal::app
