#pragma once
// Shared by the two model benchmarks: ONNX Runtime as a child process, and a loop to await our
// side.
#include "bench.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::bench {

namespace fs = std::filesystem;
namespace asio = boost::asio;

inline constexpr const char* minilm = ".deps/models/all-MiniLM-L6-v2";

/// An interpreter that has numpy and onnxruntime.
inline std::string python() {
  const char* given = std::getenv("MEMSEAL_BENCH_PYTHON");
  return given ? given : ".deps/venv/bin/python";
}

/// True where the CPU multiplies bf16 itself: elsewhere bf16 is slower than fp32.
inline bool has_fast_bf16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

/// CPU seconds of this process, because other work on the machine disturbs them less than
/// wall-clock time.
inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Sequences as both sides get them: rows of `length` ids; the first lengths[row] of a row are
/// real.
struct Inputs {
  std::size_t length = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> segment_b;
  std::vector<std::int32_t> lengths;
};

/// ONNX Runtime on one thread (model_rival.py): commands go through one pipe, answers come back
/// through another.
class OnnxRuntime {
 public:
  /// If `vocabulary` is given, a random TinyBERT-L2 is made in `directory` first. With `int8` it is
  /// quantised as ONNX Runtime itself does it.
  OnnxRuntime(const fs::path& directory, const fs::path& vocabulary = {}, bool int8 = false) {
    inputs_ = fs::temp_directory_path() /
              ("memseal-inputs-" + std::to_string(getpid()) + (int8 ? "-int8" : ""));
    const auto program = python();
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(down[0], 0);
      dup2(up[1], 1);
      for (const int end : {down[0], down[1], up[0], up[1]}) close(end);
      std::vector<const char*> words{program.c_str(), "bench/model_rival.py", directory.c_str(),
                                     inputs_.c_str()};
      if (!vocabulary.empty()) words.push_back(vocabulary.c_str());
      if (int8) words.push_back("--int8");
      words.push_back(nullptr);
      execv(program.c_str(), const_cast<char* const*>(words.data()));
      _exit(127);
    }
    close(down[0]);
    close(up[1]);
    commands_ = fdopen(down[1], "w");
    answers_ = fdopen(up[0], "r");
    char version[32] = {};
    is_ready_ = std::fscanf(answers_, "ready %31s", version) == 1;
    name_ = std::string("ONNX Runtime ") + version + (int8 ? " int8" : " fp32") + ", one thread";
  }
  ~OnnxRuntime() {
    if (commands_) std::fclose(commands_);
    if (answers_) std::fclose(answers_);
    if (child_ > 0) waitpid(child_, nullptr, 0);
    std::error_code ignored;
    fs::remove(inputs_, ignored);
  }
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

  bool is_ready() const { return is_ready_; }
  const std::string& name() const { return name_; }

  void take(const Inputs& inputs) {
    count_ = inputs.segment_b.size();
    std::ofstream out(inputs_, std::ios::binary);
    const auto put = [&](const std::vector<std::int32_t>& numbers) {
      out.write(reinterpret_cast<const char*>(numbers.data()),
                static_cast<std::streamsize>(4 * numbers.size()));
    };
    put({static_cast<std::int32_t>(count_), static_cast<std::int32_t>(inputs.length)});
    put(inputs.ids);
    put(inputs.segment_b);
    put(inputs.lengths);
  }
  /// CPU seconds of one run, averaged over `times`. `first` gets the first number of each row.
  double run(int times, std::vector<double>& first) {
    std::fprintf(commands_, "%d\n", times);
    std::fflush(commands_);
    double took = 0;
    first.assign(count_, 0);
    bool read = std::fscanf(answers_, "%lf", &took) == 1;
    for (auto& number : first) read = read && std::fscanf(answers_, "%lf", &number) == 1;
    if (!read) std::exit(1);
    return took / times;
  }

 private:
  fs::path inputs_;
  pid_t child_ = -1;
  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string name_;
  std::size_t count_ = 0;
  bool is_ready_ = false;
};

template <class R>
asio::awaitable<void> keep_result(asio::awaitable<R> work, std::optional<R>& result) {
  result = co_await std::move(work);
}

/// Runs `work` to its end on a loop of this thread.
template <class R>
R await(asio::awaitable<R> work) {
  asio::io_context loop(1);
  std::optional<R> result;
  asio::co_spawn(loop, keep_result(std::move(work), result), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  loop.run();
  return std::move(*result);
}

/// Runs `ours()` and the rival in turn. Returns the median CPU milliseconds of each, and the median
/// ratio. `ours` returns the first number of each row; a difference above `tolerance` ends the
/// process.
template <class Ours>
Figure compare(std::string id, OnnxRuntime& rival, const Inputs& inputs, int rounds, int times,
               double tolerance, Ours ours) {
  rival.take(inputs);
  std::vector<double> mine, theirs, ratios, wanted;
  for (int round = -1; round < rounds; ++round) {  // The first warms up.
    const double start = cpu_seconds();
    std::vector<float> got;
    for (int time = 0; time < times; ++time) got = ours();
    const double took = (cpu_seconds() - start) / times;
    const double rival_took = rival.run(times, wanted);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (!(std::abs(got[i] - wanted[i]) <= tolerance)) {
        std::fprintf(stderr, "%s: row %zu is %g, the rival's %g\n", id.c_str(), i,
                     static_cast<double>(got[i]), wanted[i]);
        std::exit(1);
      }
    if (round < 0) continue;
    mine.push_back(took * 1e3);
    theirs.push_back(rival_took * 1e3);
    ratios.push_back(took / rival_took);
  }
  return {.id = std::move(id), .ours = median(mine), .rival = median(theirs),
          .rival_name = rival.name(), .ratio = median(ratios), .unit = "ms", .better = "lower",
          .runs = rounds};
}

}  // namespace memseal::bench
