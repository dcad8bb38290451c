#pragma once
// Progress, shown to a person who waits.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace memseal::app {

/// One line on a terminal that is written over, e.g. "dumping: 12.3 MB". Nothing elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool shown) : shown_(shown) {}
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const std::string& text);
  /// Takes the line away, so that another text can stand there. The next show() shows at once.
  void clear();

 private:
  bool shown_;
  std::chrono::steady_clock::time_point last_{};
  std::size_t width_ = 0;
};

/// "12.3 MB".
std::string megabytes(std::uint64_t bytes);

}  // namespace memseal::app
