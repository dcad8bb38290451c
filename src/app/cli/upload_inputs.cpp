#include "app/cli/upload_inputs.hpp"

#include "pure/wire/file_request.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

Error unfit(std::string sentence) { return {Errc::bad_request, std::move(sentence)}; }

class UploadFinder {
 public:
  explicit UploadFinder(const std::string& name) : name_(name) {}

  void find(const std::string& path) {
    std::error_code failure;
    if (fs::is_directory(path, failure)) return walk(path);
    auto name = name_.empty() ? fs::path(path).filename().string() : name_;
    if (auto why = add(path, std::move(name)); !why.empty())
      found.refused.push_back(unfit(path + " " + why));
  }

  UploadInputs found;

 private:
  void walk(const std::string& directory) {
    if (!name_.empty())
      return found.refused.push_back(
          unfit("--name names one file, and " + directory + " is a directory"));
    auto walk = walk_directory(directory, FileLinks::skip);
    found.hidden += walk.hidden;
    std::ranges::move(walk.skipped, std::back_inserter(found.skipped));
    if (!walk.failure.empty()) found.refused.push_back(unfit(std::move(walk.failure)));
    for (const auto& path : walk.files)
      if (auto why = add(path, fs::path(path).lexically_relative(directory).generic_string());
          !why.empty())
        found.skipped.push_back({path, std::move(why)});
  }

  /// Returns why the file cannot be stored; empty where it can.
  std::string add(const std::string& path, std::string name) {
    std::error_code failure;
    const auto status = fs::status(path, failure);
    if (failure) return "cannot be read: " + failure.message();
    if (!fs::is_regular_file(status)) return "is not a regular file";
    auto checked = wire::checked_file_name(std::move(name));
    if (!checked)
      return "gives no name of a file: 1 to 255 bytes of UTF-8 without control characters";
    const auto bytes = fs::file_size(path, failure);
    if (failure) return "cannot be read: " + failure.message();
    auto place = fs::weakly_canonical(path, failure).string();
    if (seen_.insert(std::move(place)).second)
      found.files.push_back({path, std::move(*checked), bytes});
    return "";
  }

  const std::string name_;
  std::set<std::string> seen_;
};

}  // namespace

UploadInputs find_uploads(const std::vector<std::string>& paths, const std::string& name) {
  UploadFinder finder(name);
  for (const auto& path : paths) finder.find(path);
  return std::move(finder.found);
}

}  // namespace memseal::app
