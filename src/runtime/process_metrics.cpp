#include "runtime/process_metrics.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace memseal::runtime {

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double resident_bytes() {
  double pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident_pages;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double resident_peak_bytes() {
  double kib = 0;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") status >> kib;
  return kib * 1'024;
}

/// Unix time of the process's start.
double start_seconds() {
  // The name of the program may hold blanks. The fields after it begin behind the last bracket.
  std::ifstream file("/proc/self/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  constexpr int fields_before_start = 19;  // proc(5): the 22nd field, the first one here is the 3rd
  std::string skipped;
  for (int i = 0; i < fields_before_start; ++i) fields >> skipped;
  double ticks = 0, boot = 0;
  fields >> ticks;
  std::ifstream kernel("/proc/stat");
  for (std::string word; kernel >> word;)
    if (word == "btime") kernel >> boot;
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double open_descriptors() {
  std::error_code failed;
  std::filesystem::directory_iterator entries("/proc/self/fd", failed);
  if (failed) return 0;
  return static_cast<double>(std::distance(entries, {}));
}

Gauge& heap(Metrics& metrics, const char* state) {
  return metrics.gauge("memseal_heap_bytes",
                       "Bytes that the allocator gave out (used) or keeps (free).",
                       {{"state", state}});
}

}  // namespace

void observe_process(Metrics& metrics) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto& cpu = metrics.counter("process_cpu_seconds_total",
                              "Time that the processors spent on this process.");
  cpu.Increment(seconds_of(used.ru_utime) + seconds_of(used.ru_stime) - cpu.Value());
  metrics.gauge("process_resident_memory_bytes", "Memory that is in RAM.").Set(resident_bytes());
  metrics.gauge("memseal_resident_memory_peak_bytes", "The most memory that was in RAM.")
      .Set(resident_peak_bytes());
  static const double started = start_seconds();
  metrics.gauge("process_start_time_seconds", "Unix time of the start.").Set(started);
  metrics.gauge("process_open_fds", "Open file descriptors.").Set(open_descriptors());
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  metrics.gauge("process_max_fds", "File descriptors that the process may open.")
      .Set(static_cast<double>(limit.rlim_cur));
  const auto memory = mallinfo2();
  // Large blocks are mapped one by one and counted apart from the heap's arenas.
  heap(metrics, "used").Set(static_cast<double>(memory.uordblks + memory.hblkhd));
  heap(metrics, "free").Set(static_cast<double>(memory.fordblks));
}

void observe_build(Metrics& metrics, const std::string& release) {
  metrics
      .gauge("memseal_build_info", "1; the labels say what runs.",
             {{"version", MEMSEAL_VERSION},
              {"compiler", __VERSION__},
              {"release", release.empty() ? MEMSEAL_VERSION : release}})
      .Set(1);
}

}  // namespace memseal::runtime
