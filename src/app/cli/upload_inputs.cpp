#include "app/cli/upload_inputs.hpp"

#include "pure/wire/file_request.hpp"

#include <algorithm>
#include <filesystem>
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
    if (const auto why = no_entry(directory); !why.empty())
      return found.refused.push_back(unfit(directory + " " + why));
    std::error_code failure;
    std::vector<std::string> paths;
    fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied,
                                        failure);
    for (const fs::recursive_directory_iterator end; !failure && at != end; at.increment(failure))
      visit(at, paths);
    if (failure)
      found.refused.push_back(unfit("cannot read " + directory + ": " + failure.message()));
    // The order of a directory is its file system's.
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths)
      if (auto why = add(path, fs::path(path).lexically_relative(directory).generic_string());
          !why.empty())
        found.skipped.push_back({path, std::move(why)});
  }

  void visit(fs::recursive_directory_iterator& at, std::vector<std::string>& paths) {
    std::error_code failure;
    const auto path = at->path();
    if (path.filename().native().starts_with(".")) {
      ++found.hidden;
      at.disable_recursion_pending();
    } else if (at->is_symlink(failure)) {
      found.skipped.push_back({path.string(), "is a link"});
    } else if (at->is_regular_file(failure)) {
      paths.push_back(path.string());
    } else if (!at->is_directory(failure)) {
      found.skipped.push_back({path.string(), "is not a regular file"});
    } else if (auto why = no_entry(path.string()); !why.empty()) {
      at.disable_recursion_pending();
      found.skipped.push_back({path.string(), std::move(why)});
    }
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
