#pragma once
// Shared by all benchmarks. One figure is one JSON line on stdout (see bench/README.md).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace memseal::bench {

/// One measured figure. `ratio` is ours / rival from interleaved runs of one call.
struct Figure {
  std::string id;
  double ours = 0;
  double rival = 0;
  std::string rival_name;
  double ratio = 0;
  std::string unit;
  std::string better = "higher";  ///< or "lower"
  int runs = 0;
};

/// Middle value; the mean of the two middle ones when the count is even. Zero for no values.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The value that `share` (0…1) of all values do not exceed (nearest rank). Zero for no values.
inline double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * double(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

/// Seconds that `work()` takes.
template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Keeps the compiler from removing the computation of `value`.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// CPU model and number of hardware threads, e.g. "Intel(R) Xeon(R) Processor @ 2.50GHz x2".
inline std::string machine_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string name = "unknown";
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    name = line.substr(std::min(line.find(": ") + 2, line.size()));
    break;
  }
  return name + " x" + std::to_string(std::max(1u, std::thread::hardware_concurrency()));
}

/// The widest vector instructions this machine has, e.g. "avx512_bf16+amx".
inline std::string isa_name() {
#if defined(__x86_64__)
  std::ifstream info("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("flags", 0) == 0) {
      flags = line + " ";
      break;
    }
  }
  const auto has = [&](std::string_view flag) {
    return flags.find(" " + std::string(flag) + " ") != std::string::npos;
  };
  std::string name = has("avx512_bf16")   ? "avx512_bf16"
                     : has("avx512_vnni") ? "avx512_vnni"
                     : has("avx512f")     ? "avx512"
                     : has("avx2")        ? "avx2"
                                          : "sse2";
  if (has("amx_bf16")) name += "+amx";
  return name;
#else
  return "generic";
#endif
}

/// `text` as a JSON string, quotes included.
inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

/// Now, UTC, as 2025-01-31T12:00:00Z.
inline std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

/// Prints the figure as one JSON line.
inline void print(const Figure& figure) {
  std::printf(
      "{\"id\":%s,\"ours\":%.6g,\"rival\":%.6g,\"rival_name\":%s,\"ratio\":%.6g,\"unit\":%s,"
      "\"better\":%s,\"machine\":%s,\"isa\":%s,\"date\":%s,\"runs\":%d}\n",
      json_string(figure.id).c_str(), figure.ours, figure.rival,
      json_string(figure.rival_name).c_str(), figure.ratio, json_string(figure.unit).c_str(),
      json_string(figure.better).c_str(), json_string(machine_name()).c_str(),
      json_string(isa_name()).c_str(), json_string(date_now()).c_str(), figure.runs);
  std::fflush(stdout);
}

/// Prints that `id` could not be measured here, and why.
inline void print_skipped(std::string_view id, std::string_view why) {
  std::printf("{\"id\":%s,\"skipped\":%s}\n", json_string(id).c_str(), json_string(why).c_str());
  std::fflush(stdout);
}

}  // namespace memseal::bench
