#include "adapters/postgres/internal/migration_files.hpp"

#include "base/ids.hpp"
#include "pure/crypto/hash.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace memseal::postgres {

namespace fs = std::filesystem;

namespace {

Error bad(std::string message) {
  return Error{Errc::bad_config, "migrations: " + std::move(message)};
}

struct FileName {
  int version = 0;
  std::string name;  // without ".up.sql"
  std::string MigrationFile::* text = nullptr;
};

std::optional<FileName> parse(std::string_view file) {
  static constexpr std::pair<std::string_view, std::string MigrationFile::*> kinds[] = {
      {".up.sql", &MigrationFile::up},
      {".down.sql", &MigrationFile::down},
      {".check.sql", &MigrationFile::check}};
  FileName parsed;
  for (const auto& [suffix, text] : kinds) {
    if (!file.ends_with(suffix)) continue;
    parsed.text = text;
    file.remove_suffix(suffix.size());
    break;
  }
  if (!parsed.text) return std::nullopt;
  if (file.size() < 6 || file[4] != '_') return std::nullopt;
  for (const char c : file.substr(0, 4)) {
    if (c < '0' || c > '9') return std::nullopt;
    parsed.version = parsed.version * 10 + (c - '0');
  }
  parsed.name = file;
  return parsed;
}

std::optional<std::string> read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return std::nullopt;
  return text;
}

std::string checksum_of(const std::string& text) {
  const auto digest = crypto::sha256(bytes_of(text));
  return to_hex(digest.data(), digest.size());
}

Result<std::vector<MigrationFile>> checked(const std::map<int, MigrationFile>& by_version) {
  std::vector<MigrationFile> files;
  for (const auto& [version, file] : by_version) {
    // A gap is a file that was lost. The migrator finds files by number, too.
    if (version != static_cast<int>(files.size()) + 1) {
      return bad("the numbers leave a gap before " + file.name);
    }
    if (file.up.empty()) return bad(file.name + ".up.sql is missing or empty");
    if (file.down.empty()) return bad(file.name + ".down.sql is missing or empty");
    files.push_back(file);
    files.back().checksum = checksum_of(file.up);
  }
  return files;
}

}  // namespace

Result<std::vector<MigrationFile>> read_migrations(const fs::path& directory) {
  std::error_code failed;
  fs::directory_iterator entries(directory, failed);
  if (failed) return bad("cannot read the directory " + directory.string());
  std::map<int, MigrationFile> by_version;
  for (const auto& entry : entries) {
    const auto file = entry.path().filename().string();
    if (entry.path().extension() != ".sql") continue;
    const auto parsed = parse(file);
    if (!parsed)
      return bad(file + " is not named NNNN_name.up.sql, NNNN_name.down.sql or .check.sql");
    auto& pair = by_version[parsed->version];
    if (!pair.name.empty() && pair.name != parsed->name) {
      return bad(pair.name + " and " + parsed->name + " share a number");
    }
    pair.version = parsed->version;
    pair.name = parsed->name;
    auto text = read(entry.path());
    if (!text) return bad("cannot read " + file);
    pair.*parsed->text = std::move(*text);
  }
  if (by_version.empty()) return bad("no SQL pairs in " + directory.string());
  return checked(by_version);
}

}  // namespace memseal::postgres
