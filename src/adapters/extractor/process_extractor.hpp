#pragma once
#include "adapters/extractor/settings.hpp"
#include "ports/text_extractor.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace memseal::extractor {

namespace asio = boost::asio;

struct ExtractorMetrics {
  explicit ExtractorMetrics(runtime::Metrics& metrics);

  runtime::Counter &read, &refused, &killed, &broken;
  runtime::Gauge& active;
};

struct ExtractorOptions {
  std::filesystem::path program;  ///< memseal-extract
  std::size_t concurrent = static_cast<std::size_t>(Settings{}.extract_concurrent);
  std::uint64_t file_bytes_max = static_cast<std::uint64_t>(Settings{}.extract_bytes_max);
  /// Of one file, in wall-clock time. The helper itself takes at most 10 s of processor time.
  std::chrono::milliseconds time{30'000};
};

/// What the helper on this machine can do.
struct HelperReport {
  bool can_read_pdf = false;
};

/// Reads each file in a process of its own, which has neither keys nor rights.
/// Lifetime: the loops that call it outlive it. Thread: any.
class ProcessExtractor final : public ports::TextExtractor {
 public:
  ProcessExtractor(ExtractorOptions options, ExtractorMetrics& metrics);
  /// Waits for the processes that run.
  ~ProcessExtractor() override;

  std::uint64_t file_bytes_max() const override { return options_.file_bytes_max; }
  std::unique_ptr<ports::TextExtraction> begin(std::uint64_t file_bytes) override;

 private:
  struct Shared;
  class Extraction;

  const ExtractorOptions options_;
  const std::shared_ptr<Shared> shared_;
  asio::thread_pool threads_;  ///< start the processes and outlive them
};

/// The helper: what `files.extractor` says, else the file beside this program. Empty: there is
/// none. Error: bad_config where the setting names no program.
Result<std::optional<std::filesystem::path>> find_helper(const Settings& settings);

/// Has the helper read a small file of ours. It puts on every layer of its sandbox or ends, so a
/// success says that all of them hold. Blocks.
/// Error: bad_config, which says what is missing; overloaded where no process can start now.
Result<HelperReport> try_helper(const std::filesystem::path& program);

}  // namespace memseal::extractor
