#pragma once
// One run of memseal-extract.
#include "adapters/extractor/frame_reader.hpp"

#include <chrono>
#include <filesystem>
#include <stop_token>

namespace memseal::extractor {

/// How a run ended, besides what it wrote.
struct RunEnd {
  int start_error = 0;     ///< errno where it did not start: no such program, or no room for it
  bool timed_out = false;  ///< it took longer than it may
  int exit_code = -1;      ///< -1: it was killed
  int signal = 0;          ///< that killed it; 0: none
};

/// Starts `program` with `file` as its input and hands what it writes to `reader` until it ends,
/// or `reader` has enough, or the time is over, or a stop is asked for. Then its process group is
/// killed and the process reaped, in every case. The program gets no environment and no descriptor
/// but its input, its output and /dev/null.
/// REQUIRES: the calling thread outlives the process, because the kernel kills it with that thread.
RunEnd run_helper(const std::filesystem::path& program, int file, std::chrono::milliseconds time,
                  FrameReader& reader, std::stop_token stop);

}  // namespace memseal::extractor
