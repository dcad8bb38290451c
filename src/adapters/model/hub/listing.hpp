#pragma once
// What a model hub says of a model, and what is written down of a model that came from one.
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::model {

/// The file that names origin and content, beside the model's own files.
inline constexpr std::string_view lock_file_name = "memseal.lock.json";

/// The files of a model that memseal reads, by their paths below the model's directory.
const std::vector<std::string>& hub_files();

/// "owner/name" of a model, also of one that memseal knows by its bare name. Nothing for a text
/// that can be neither.
std::optional<std::string> repository_of(std::string_view name);

/// A commit of a repository and those of its files that memseal reads.
struct HubListing {
  std::string revision;            ///< 40 lower-case hex digits
  std::vector<std::string> files;  ///< of hub_files(), in that order
};

/// What a model needs and `files` lack: a clause without a subject. Nothing: they are enough.
std::optional<std::string> missing_in(const std::vector<std::string>& files);

/// Reads the answer of `/api/models/{repository}/revision/{revision}`. Errors: model_invalid; the
/// message is a clause without a subject.
Result<HubListing> parse_hub_listing(std::string_view json);

struct LockedFile {
  std::string name;    ///< of hub_files()
  std::string sha256;  ///< 64 lower-case hex digits
  std::uint64_t bytes = 0;
  bool operator==(const LockedFile&) const = default;
};

/// Where a model came from, and what its files hold: enough to get the same bytes again.
struct ModelLock {
  std::string repository;
  std::string revision;
  std::vector<LockedFile> files;
  bool operator==(const ModelLock&) const = default;

  const LockedFile* find(std::string_view name) const noexcept;
};

/// Errors: model_invalid; the message is a clause without a subject.
Result<ModelLock> parse_model_lock(std::string_view json);
std::string to_json(const ModelLock& lock);

/// The field Content-Range (RFC 9110 §14.4), of which each number may be missing.
struct ContentRange {
  std::optional<std::uint64_t> first;  ///< offset of the first byte
  std::optional<std::uint64_t> whole;  ///< bytes of the whole file
  bool operator==(const ContentRange&) const = default;
};

/// Takes "bytes FIRST-LAST/WHOLE", with `*` for what is not known. Nothing is known of other texts.
ContentRange parse_content_range(std::string_view field) noexcept;

/// True for `digits` lower-case hex digits.
bool is_hex(std::string_view text, std::size_t digits) noexcept;

}  // namespace memseal::model
