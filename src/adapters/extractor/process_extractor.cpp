#include "adapters/extractor/process_extractor.hpp"

#include "adapters/extractor/frame_reader.hpp"
#include "adapters/extractor/internal/helper_process.hpp"
#include "base/fd.hpp"
#include "runtime/log.hpp"
#include "runtime/offload.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace memseal::extractor {

namespace {

namespace fs = std::filesystem;

/// A file in memory, which nobody can change once it is sealed.
Fd memory_file() {
  Fd file(::memfd_create("memseal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) throw Outage({Errc::overloaded, "no file descriptor is free"});
  return file;
}

void write_whole(const Fd& file, ByteView bytes) {
  if (!write_all(file.get(), bytes.data(), bytes.size()))
    throw Outage({Errc::overloaded, "no memory is free for a document"});
}

bool seal(const Fd& file) {
  return ::fcntl(file.get(), F_ADD_SEALS,
                 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

Error damaged() { return {Errc::file_damaged, "the file is damaged and gives no text"}; }

/// What a helper that ended in order says of the file.
Error fault_of(extract::End end) {
  switch (end) {
    case extract::End::encrypted:
      return {Errc::file_encrypted, "the file is protected by a password"};
    case extract::End::too_large:
      return {Errc::payload_too_large, "the file unpacks to more than is read of one file"};
    case extract::End::unsupported:
      return {Errc::unsupported_media_type, "the file is of no format that is read"};
    case extract::End::needs_pdfium:
      return {Errc::unsupported_media_type, "the file is a PDF, and PDFium is not installed here"};
    case extract::End::whole:
    case extract::End::damaged:
      break;
  }
  return damaged();
}

constexpr int sandbox_refused = 126, helper_not_run = 127;

/// Error: bad_config where no file can be read here at all; overloaded where the machine has no
/// room for one more process now.
Result<void> judge_start(const RunEnd& run) {
  for (const int lack : {EMFILE, ENFILE, EAGAIN, ENOMEM})
    if (run.start_error == lack)
      return Error{Errc::overloaded,
                   "no process, memory or file descriptor is free to read a file"};
  if (run.start_error != 0 || run.exit_code == helper_not_run)
    return Error{Errc::bad_config, "memseal-extract does not start", "files.extractor"};
  if (run.exit_code == sandbox_refused)
    return Error{Errc::bad_config,
                 "the kernel refuses memseal-extract its sandbox (seccomp or a resource limit)",
                 "files.extractor"};
  return {};
}

}  // namespace

ExtractorMetrics::ExtractorMetrics(runtime::Metrics& metrics)
    : read(metrics.counter("memseal_documents_read_total",
                           "Files that were given to the extractor, by what came of it.",
                           {{"outcome", "text"}})),
      refused(metrics.counter("memseal_documents_read_total",
                              "Files that were given to the extractor, by what came of it.",
                              {{"outcome", "refused"}})),
      killed(metrics.counter("memseal_documents_read_total",
                             "Files that were given to the extractor, by what came of it.",
                             {{"outcome", "killed"}})),
      broken(metrics.counter("memseal_documents_read_total",
                             "Files that were given to the extractor, by what came of it.",
                             {{"outcome", "broken"}})),
      active(metrics.gauge("memseal_documents_active", "Files that are read or wait for it.")) {}

/// What a call on a thread needs, which may outlive its caller.
struct ProcessExtractor::Shared {
  Shared(ExtractorOptions with, ExtractorMetrics& counted)
      : options(std::move(with)), metrics(counted) {}

  const ExtractorOptions options;
  ExtractorMetrics& metrics;
  std::atomic<std::size_t> active{0};

  Result<ports::ExtractedText> read(const Fd& file, std::uint64_t bytes, std::size_t text_bytes_max,
                                    std::stop_token stop);
  Result<ports::ExtractedText> judge(const RunEnd& run, FrameReader reader);
};

Result<ports::ExtractedText> ProcessExtractor::Shared::read(const Fd& file, std::uint64_t bytes,
                                                            std::size_t text_bytes_max,
                                                            std::stop_token stop) {
  if (stop.stop_requested()) return Error{Errc::cancelled, "nobody waits for the text"};
  // Sealed before the helper has it, so neither side can change it while the other reads.
  if (!seal(file)) throw_failure({Errc::internal, "a file in memory cannot be sealed"});
  // A mebibyte more than the helper may write: what comes beyond that is a helper that was taken
  // over.
  FrameReader reader(text_bytes_max, extract::output_bytes_max(bytes) + (1u << 20));
  const auto run = run_helper(options.program, file.get(), options.time, reader, std::move(stop));
  return judge(run, std::move(reader));
}

Result<ports::ExtractedText> ProcessExtractor::Shared::judge(const RunEnd& run,
                                                             FrameReader reader) {
  using State = FrameReader::State;
  if (reader.state() == State::ended && reader.end() == extract::End::whole) {
    metrics.read.Increment();
    return std::move(reader).text();
  }
  // What the helper said in order counts before how it ended: one that is killed after its last
  // frame has done its work.
  if (reader.state() == State::ended || reader.state() == State::too_large) {
    metrics.refused.Increment();
    if (reader.state() == State::ended) return fault_of(reader.end());
    return Error{Errc::payload_too_large, "the file holds more than " +
                                              std::to_string(reader.text_bytes_max()) +
                                              " bytes of text, the most that is indexed"};
  }
  if (const auto started = judge_start(run); !started) throw_failure(started.error());
  if (reader.state() == State::broken) {
    metrics.broken.Increment();
    runtime::log(runtime::LogLevel::error, "extractor.bad_output",
                 {{"cause", "memseal-extract wrote what it never writes"}});
    return damaged();
  }
  metrics.killed.Increment();
  if (run.signal == SIGSYS)
    runtime::log(runtime::LogLevel::error, "extractor.sandbox_violation",
                 {{"cause", "a document made memseal-extract ask for a forbidden system call"}});
  else
    runtime::log(
        runtime::LogLevel::warn, "extractor.killed",
        {{"signal", run.signal}, {"exit_code", run.exit_code}, {"timed_out", run.timed_out}});
  // SIGKILL is the kernel's, of a process beyond its memory or its time. For the client all of
  // these say that the file asks for too much.
  if (run.timed_out || run.signal == SIGXCPU || run.signal == SIGKILL)
    return Error{Errc::payload_too_large, "the file takes longer to read than one file may"};
  return damaged();
}

class ProcessExtractor::Extraction final : public ports::TextExtraction {
 public:
  Extraction(std::shared_ptr<Shared> shared, asio::thread_pool& threads)
      : shared_(std::move(shared)),
        threads_(threads),
        file_(std::make_shared<Fd>(memory_file())),
        place_(std::make_shared<Place>(shared_)) {}

  void append(ByteView bytes) override {
    write_whole(*file_, bytes);
    bytes_ += bytes.size();
  }

  asio::awaitable<Result<ports::ExtractedText>> finish(runtime::RequestContext,
                                                       std::size_t text_bytes_max) override {
    // The place is held until the process has ended, also where nobody waits for it any more.
    auto work = [shared = shared_, file = file_, place = place_, bytes = bytes_,
                 text_bytes_max](std::stop_token stop) {
      return std::optional(shared->read(*file, bytes, text_bytes_max, std::move(stop)));
    };
    auto text = co_await runtime::offload(threads_, std::move(work));
    co_return std::move(*text);
  }

 private:
  struct Place {
    explicit Place(std::shared_ptr<Shared> of) : shared(std::move(of)) {
      // As many as run may wait. A file that waits lies in memory, so the others are refused.
      const auto most = 2 * shared->options.concurrent;
      if (shared->active.fetch_add(1) >= most) {
        shared->active.fetch_sub(1);
        throw Outage({Errc::overloaded, "too many files are being read: ask again in a moment"});
      }
      shared->metrics.active.Increment();
    }
    ~Place() {
      shared->metrics.active.Decrement();
      shared->active.fetch_sub(1);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    const std::shared_ptr<Shared> shared;
  };

  const std::shared_ptr<Shared> shared_;
  asio::thread_pool& threads_;
  const std::shared_ptr<const Fd> file_;
  const std::shared_ptr<Place> place_;
  std::uint64_t bytes_ = 0;
};

ProcessExtractor::ProcessExtractor(ExtractorOptions options, ExtractorMetrics& metrics)
    : options_(options),
      shared_(std::make_shared<Shared>(std::move(options), metrics)),
      threads_(options_.concurrent) {}

ProcessExtractor::~ProcessExtractor() { threads_.join(); }

std::unique_ptr<ports::TextExtraction> ProcessExtractor::begin(std::uint64_t file_bytes) {
  MEMSEAL_ASSERT(file_bytes <= options_.file_bytes_max);
  return std::make_unique<Extraction>(shared_, threads_);
}

Result<std::optional<fs::path>> find_helper(const Settings& settings) {
  std::error_code ignored;
  const auto is_program = [](const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (!settings.extractor.empty()) {
    if (is_program(settings.extractor)) return std::optional(fs::path(settings.extractor));
    return Error{Errc::bad_config, settings.extractor + " is no program that this user may start",
                 "files.extractor"};
  }
  const auto self = fs::read_symlink("/proc/self/exe", ignored);
  const auto beside = self.parent_path() / "memseal-extract";
  if (self.empty() || !is_program(beside)) return std::optional<fs::path>();
  return std::optional(beside);
}

Result<HelperReport> try_helper(const fs::path& program) {
  constexpr std::string_view document = "{\\rtf1 It works.}";
  const auto file = memory_file();
  write_whole(file, {reinterpret_cast<const std::uint8_t*>(document.data()), document.size()});
  FrameReader reader(1'000, 10'000);
  const auto run = run_helper(program, file.get(), std::chrono::seconds(10), reader, {});
  if (const auto started = judge_start(run); !started) return started.error();
  const bool can_read_pdf = reader.can_read_pdf();
  if (reader.state() != FrameReader::State::ended || std::move(reader).text().text != "It works.")
    return Error{Errc::bad_config,
                 program.string() +
                     " does not answer as memseal-extract of this "
                     "release does",
                 "files.extractor"};
  return HelperReport{can_read_pdf};
}

}  // namespace memseal::extractor
