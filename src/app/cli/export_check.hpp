#pragma once
// Whether an export arrived whole.
#include "base/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace memseal::app {

/// Counts the lines of an export by their type while it passes, and compares them with its last
/// line. Memory: the start of one line.
class ExportCheck {
 public:
  /// The next bytes, cut anywhere.
  void add(std::string_view bytes);
  std::int64_t lines() const noexcept { return lines_; }
  /// Error: unavailable, where the export has no last line or other counts than that says.
  Result<void> finish() const;

 private:
  void end_line();

  std::string start_;  // of the line that is under way
  std::string last_;   // the start of the line before it
  std::map<std::string, std::int64_t, std::less<>> counts_;  // by type
  std::int64_t lines_ = 0;
};

}  // namespace memseal::app
