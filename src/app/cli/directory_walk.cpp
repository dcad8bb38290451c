#include "app/cli/directory_walk.hpp"

#include "app/cli/terminal_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t skipped_lines_max = 20;

/// Why the files of a directory cannot be listed and opened; empty where they can. The iterator of
/// the standard library passes over such a directory without a word.
std::string no_entry(const std::string& directory) {
  if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | X_OK, AT_EACCESS) == 0) return "";
  return "cannot be read: " + std::generic_category().message(errno);
}

void visit(fs::recursive_directory_iterator& at, FileLinks links, DirectoryWalk& walk) {
  std::error_code failure;
  const auto path = at->path();
  const bool is_link = at->is_symlink(failure);
  if (path.filename().native().starts_with(".")) {
    ++walk.hidden;
    at.disable_recursion_pending();
  } else if (is_link && links == FileLinks::skip) {
    walk.skipped.push_back({path.string(), "is a link"});
  } else if (at->is_regular_file(failure)) {
    walk.files.push_back(path.string());
  } else if (!at->is_directory(failure)) {
    walk.skipped.push_back({path.string(), "is not a regular file"});
  } else if (is_link) {
    walk.skipped.push_back({path.string(), "is a link to a directory"});
  } else if (auto why = no_entry(path.string()); !why.empty()) {
    at.disable_recursion_pending();
    walk.skipped.push_back({path.string(), std::move(why)});
  }
}

}  // namespace

DirectoryWalk walk_directory(const std::string& directory, FileLinks links) {
  DirectoryWalk walk;
  if (auto why = no_entry(directory); !why.empty()) {
    walk.failure = directory + " " + std::move(why);
    return walk;
  }
  std::error_code failure;
  fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied,
                                      failure);
  for (const fs::recursive_directory_iterator end; !failure && at != end; at.increment(failure))
    visit(at, links, walk);
  if (failure) walk.failure = "cannot read " + directory + ": " + failure.message();
  std::sort(walk.files.begin(), walk.files.end());
  return walk;
}

void report_skipped(const std::vector<SkippedFile>& skipped, std::size_t hidden) {
  std::size_t lines = 0;
  for (const auto& [path, why] : skipped)
    if (++lines <= skipped_lines_max)
      std::fprintf(stderr, "memseal: skipped %s: it %s\n", one_line(path, 300).c_str(),
                   one_line(why, 300).c_str());
  if (lines > skipped_lines_max)
    std::fprintf(stderr, "memseal: skipped %zu files more\n", lines - skipped_lines_max);
  if (hidden > 0) std::fprintf(stderr, "memseal: skipped %zu hidden files or folders\n", hidden);
}

}  // namespace memseal::app
