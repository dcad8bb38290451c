#pragma once
// Dot products of many rows of halves with a few questions, in vector code that is chosen at run
// time.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace memseal::matrix {

/// Numbers of a row, rounded up so that each row begins on a cache line. What is added is zero.
constexpr std::size_t row_stride(std::size_t dimension) { return (dimension + 31) / 32 * 32; }

/// One instruction set's functions. Thread: any.
/// REQUIRES: rows and questions have `stride` numbers each, as of row_stride(). Rows hold finite
/// halves (binary16, the machine's byte order).
struct ScanOps {
  const char* isa;
  /// out[q * out_stride + i] = row i · question q, summed in binary32. Each row is read once from
  /// memory for all questions.
  void (*dots)(const std::uint16_t* rows, std::size_t stride, std::size_t row_count,
               const float* questions, std::size_t question_count, float* out,
               std::size_t out_stride);
  /// out[i] = row i · row i.
  void (*squares)(const std::uint16_t* rows, std::size_t stride, std::size_t row_count,
                  float* out);
};

/// The fastest set that this machine runs; the same for the life of the process.
const ScanOps& best_scan_ops();
/// Every set that this machine runs, the fastest first; for tests.
std::vector<const ScanOps*> runnable_scan_ops();

extern const ScanOps scan_ops_avx512, scan_ops_avx2, scan_ops_baseline;

}  // namespace memseal::matrix
