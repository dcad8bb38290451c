#pragma once
#include "app/cli/console.hpp"

#include <cstddef>
#include <cstdio>

namespace memseal::app {

/// A line that is written over, on terminals only.
class CountLine {
 public:
  CountLine(const GlobalOptions& global, std::size_t all)
      : on_(shows_progress(global) && !global.json && all > 1), all_(all) {}
  ~CountLine() {
    if (shown_) std::fprintf(stderr, "\r%30s\r", "");
  }
  void show(const char* what, std::size_t count) {
    if (!on_) return;
    shown_ = true;
    std::fprintf(stderr, "\r%s %zu of %zu", what, count, all_);
    std::fflush(stderr);
  }

 private:
  const bool on_;
  const std::size_t all_;
  bool shown_ = false;
};

}  // namespace memseal::app
