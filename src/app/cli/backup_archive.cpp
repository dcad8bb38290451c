#include "app/cli/backup_archive.hpp"

#include "app/cli/disk.hpp"
#include "base/fd.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/sha256_stream.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value_to.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

namespace memseal::app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr const char* manifest_name = "manifest.json";
constexpr const char* sums_name = "SHA256SUMS";

Error damaged(std::string sentence) { return {Errc::open_failed, std::move(sentence)}; }
Error cannot(const std::string& act, const fs::path& path) {
  return {Errc::internal, "cannot " + act + " " + path.string() + ": " +
                              std::error_code(errno, std::generic_category()).message()};
}

Result<std::string> read_whole(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return damaged(path.filename().string() + " is missing: this is no whole backup");
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::string sha256_of(const std::string& text) {
  const auto digest = crypto::sha256(bytes_of(text));
  return to_hex(digest.data(), digest.size());
}

Result<void> write_whole(const fs::path& path, const std::string& text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || !write_all(file.get(), text.data(), text.size()) || ::fsync(file.get()) != 0)
    return cannot("write", path);
  return {};
}

template <class T>
json::array array_of(const std::vector<T>& values) {
  return json::array(values.begin(), values.end());
}

json::object to_json(const postgres::BackupFacts& facts) {
  json::object rows;
  for (const auto& [table, count] : facts.rows) rows[table] = count;
  return {{"name", facts.database},
          {"system_identifier", facts.system_identifier},
          {"server_version", facts.server_version},
          {"taken_at", codec::format_rfc3339(facts.taken_at_ms)},
          {"schema_version", facts.schema_version},
          {"tenant_key_check", facts.tenant_key_check},
          {"vector_schema", facts.vector_schema},
          {"vector_version", facts.vector_version},
          {"kek_epochs", array_of(facts.kek_epochs)},
          {"roles", array_of(facts.roles)},
          {"role_settings", array_of(facts.role_settings)},
          {"rows", std::move(rows)}};
}

postgres::BackupFacts facts_of(const json::object& object) {
  postgres::BackupFacts facts;
  const auto text = [&](const char* name) { return json::value_to<std::string>(object.at(name)); };
  facts.database = text("name");
  facts.system_identifier = text("system_identifier");
  facts.server_version = json::value_to<int>(object.at("server_version"));
  facts.taken_at_ms = codec::parse_rfc3339(text("taken_at")).value();
  facts.schema_version = json::value_to<int>(object.at("schema_version"));
  facts.tenant_key_check = text("tenant_key_check");
  facts.vector_schema = text("vector_schema");
  facts.vector_version = text("vector_version");
  facts.kek_epochs = json::value_to<std::vector<std::uint32_t>>(object.at("kek_epochs"));
  facts.roles = json::value_to<std::vector<std::string>>(object.at("roles"));
  facts.role_settings = json::value_to<std::vector<std::string>>(object.at("role_settings"));
  for (const auto& [table, count] : object.at("rows").as_object())
    facts.rows[table] = json::value_to<std::int64_t>(count);
  return facts;
}

/// Throws what Boost.JSON throws for a member that is missing or of another type.
Manifest manifest_of(const json::object& object) {
  Manifest manifest;
  manifest.release = json::value_to<std::string>(object.at("release"));
  manifest.database = facts_of(object.at("database").as_object());
  for (const auto& part : object.at("parts").as_array())
    manifest.parts.push_back({json::value_to<std::string>(part.at("name")),
                              json::value_to<std::uint64_t>(part.at("bytes")),
                              json::value_to<std::string>(part.at("sha256"))});
  return manifest;
}

/// The line of one file, as sha256sum writes it.
std::string sum_line(const std::string& sha256, const std::string& name) {
  return sha256 + "  " + name + "\n";
}

std::string sums_of(const Manifest& manifest, const std::string& manifest_sha256) {
  std::string sums = sum_line(manifest_sha256, manifest_name);
  for (const auto& part : manifest.parts) sums += sum_line(part.sha256, part.name);
  return sums;
}

Result<void> check_part(const fs::path& folder, const BackupPart& part,
                        const std::function<void()>& meanwhile) {
  // A manifest names files of its own folder, whoever wrote it.
  if (part.name != dump_part && part.name != files_part)
    return damaged("the manifest names a part that this memseal does not know: " + part.name);
  std::error_code missing;
  const auto bytes = fs::file_size(folder / part.name, missing);
  if (missing) return damaged(part.name + " is missing");
  // Before the sum, because a part that is cut off has a cause of its own and the sum of a large
  // one takes minutes.
  if (bytes < part.bytes)
    return damaged(part.name + " is cut off: it has " + std::to_string(bytes) + " bytes of " +
                   std::to_string(part.bytes));
  const auto seen = measure_part(folder, part.name, meanwhile);
  if (!seen) return seen.error();
  if (*seen != part)
    return damaged(part.name + " was changed after the backup was made: its SHA-256 is another");
  return {};
}

void remove_leftovers(const fs::path& parent, const std::string& prefix) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    struct stat seen {};
    const auto& path = entry.path();
    if (!path.filename().string().starts_with(prefix)) continue;
    // In a folder that others can write to, a name of ours may be a link to something else.
    if (::lstat(path.c_str(), &seen) != 0 || !S_ISDIR(seen.st_mode) || seen.st_uid != ::geteuid())
      continue;
    const Fd lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Whoever works in it holds the lock.
    if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  }
}

}  // namespace

std::uint64_t Manifest::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& part : parts) sum += part.bytes;
  return sum;
}

const BackupPart* Manifest::find(const std::string& part) const {
  for (const auto& one : parts)
    if (one.name == part) return &one;
  return nullptr;
}

std::int64_t Manifest::rows_of(const std::string& table) const {
  const auto found = database.rows.find(table);
  return found == database.rows.end() ? 0 : found->second;
}

json::object to_json(const Manifest& manifest) {
  json::array parts;
  for (const auto& part : manifest.parts)
    parts.push_back(
        json::object{{"name", part.name}, {"bytes", part.bytes}, {"sha256", part.sha256}});
  return {{"format", backup_format},
          {"release", manifest.release},
          {"database", to_json(manifest.database)},
          {"parts", std::move(parts)}};
}

Result<BackupPart> measure_part(const fs::path& folder, const std::string& name,
                                const std::function<void()>& meanwhile) {
  const auto path = folder / name;
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return cannot("read", path);
  crypto::Sha256Stream hash;
  BackupPart part{name, 0, {}};
  std::vector<std::uint8_t> piece(1 << 20);
  ssize_t read = 0;
  while ((read = ::read(file.get(), piece.data(), piece.size())) > 0) {
    hash.update({piece.data(), static_cast<std::size_t>(read)});
    part.bytes += static_cast<std::uint64_t>(read);
    if (meanwhile) meanwhile();
  }
  if (read != 0 || ::fsync(file.get()) != 0) return cannot("read", path);
  const auto digest = hash.finish();
  part.sha256 = to_hex(digest.data(), digest.size());
  return part;
}

Result<std::string> write_manifest(const fs::path& folder, const Manifest& manifest) {
  const auto text = codec::compact_json(to_json(manifest)) + "\n";
  auto sha256 = sha256_of(text);
  if (auto written = write_whole(folder / manifest_name, text); !written) return written.error();
  if (auto written = write_whole(folder / sums_name, sums_of(manifest, sha256)); !written)
    return written.error();
  return sha256;
}

Result<Manifest> read_manifest(const fs::path& folder) {
  if (!fs::is_directory(folder))
    return Error{Errc::not_found, "there is no backup at " + folder.string()};
  const auto text = read_whole(folder / manifest_name), sums = read_whole(folder / sums_name);
  if (!text) return text.error();
  if (!sums) return sums.error();
  const auto changed = damaged("manifest.json was changed after the backup was made");
  const auto parsed = codec::parse_json(*text, Errc::open_failed);
  if (!parsed || !parsed->is_object()) return changed;
  // Before its sum, because a newer release may keep sums in another way.
  const auto* format = parsed->as_object().if_contains("format");
  if (format && format->is_int64() && format->as_int64() > backup_format)
    return damaged("the backup has format " + std::to_string(format->as_int64()) +
                   ", and this memseal reads " + std::to_string(backup_format) +
                   ": use a newer release");
  if (sums->find(sum_line(sha256_of(*text), manifest_name)) == std::string::npos) return changed;
  try {
    return manifest_of(parsed->as_object());
  } catch (const std::exception&) {
    return changed;
  }
}

Result<void> check_parts(const fs::path& folder, const Manifest& manifest,
                         const std::function<void()>& meanwhile) {
  if (!manifest.find(dump_part)) return damaged("the manifest names no database.dump");
  for (const auto& part : manifest.parts)
    if (auto sound = check_part(folder, part, meanwhile); !sound) return sound;
  return {};
}

Result<WorkFolder> WorkFolder::make(const fs::path& parent, const std::string& prefix) {
  remove_leftovers(parent, prefix);
  std::array<std::uint8_t, 8> random{};
  crypto::fill_random(random);
  const auto path = parent / (prefix + to_hex(random.data(), random.size()));
  // Locked before it has the name by which others look for leftovers.
  const auto hidden = parent / (".new-" + path.filename().string());
  if (::mkdir(hidden.c_str(), 0700) != 0) {
    auto failure = cannot("make a folder in", parent);
    failure.code = Errc::bad_config;
    return failure;
  }
  Fd lock(::open(hidden.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
      ::rename(hidden.c_str(), path.c_str()) != 0)
    return cannot("lock", hidden);
  return WorkFolder(path, std::move(lock));
}

WorkFolder::WorkFolder(WorkFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<void> WorkFolder::publish(const fs::path& name) {
  if (!sync_path(path_)) return cannot("write", path_);
  // Takes the place of an empty folder, and of nothing else.
  if (::rename(path_.c_str(), name.c_str()) != 0) return cannot("make", name);
  path_.clear();
  if (!sync_path(name.parent_path())) return cannot("write", name.parent_path());
  return {};
}

}  // namespace memseal::app
