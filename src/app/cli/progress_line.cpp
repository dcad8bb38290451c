#include "app/cli/progress_line.hpp"

#include <cstdio>

namespace memseal::app {

void ProgressLine::show(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(200)) return;
  last_ = now;
  const auto rest = width_ > text.size() ? width_ - text.size() : 0;
  std::fprintf(stderr, "\r%s%s", text.c_str(), std::string(rest, ' ').c_str());
  width_ = text.size();
}

void ProgressLine::clear() {
  if (width_ > 0) std::fprintf(stderr, "\r%s\r", std::string(width_, ' ').c_str());
  width_ = 0;
  last_ = {};
}

ProgressLine::~ProgressLine() { clear(); }

std::string megabytes(std::uint64_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

}  // namespace memseal::app
