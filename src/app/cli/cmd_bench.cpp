#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/model_paths.hpp"

#include "adapters/model/inspect.hpp"
#include "runtime/context.hpp"
#include "runtime/loops.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <mutex>

namespace memseal::app {

namespace json = boost::json;
namespace asio = boost::asio;

namespace {

double percentile(const std::vector<double>& sorted, double share) {
  // By the nearest rank: a value that was measured, not one between two of them.
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

std::string machine_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string name = "unknown processor";
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    name = line.substr(colon + 2);
    break;
  }
  return name + " x" + std::to_string(runtime::core_count());
}

/// Progress on stderr, on a terminal only, at most five times a second.
class Progress {
 public:
  Progress(std::size_t calls, bool shown) : calls_(calls), shown_(shown) {}

  void count_call() {
    if (!shown_) return;
    const std::lock_guard lock(guard_);
    const auto now = runtime::Clock::now();
    if (++done_ < calls_ && now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    std::fprintf(stderr, "\r%zu of %zu calls%s", done_, calls_, done_ == calls_ ? "\n" : "");
  }

 private:
  std::mutex guard_;
  const std::size_t calls_;
  const bool shown_;
  std::size_t done_ = 0;
  runtime::Clock::time_point last_;
};

struct Measured {
  std::vector<double> calls_ms;  ///< sorted
  double wall_s = 0;
};

// Each thread makes its calls one after another, because a thread of the service does so too.
Measured measure(const model::Workload& work, const BenchOptions& options, bool progress_shown) {
  const auto threads = static_cast<std::size_t>(options.threads);
  const auto rounds = static_cast<std::size_t>(options.rounds);
  Progress progress(threads * rounds, progress_shown);
  std::vector<std::vector<double>> took(threads);
  {
    // The first call of a thread finds cold caches and makes buffers; a service does that once.
    asio::thread_pool warm(threads);
    for (std::size_t i = 0; i < threads; ++i) asio::post(warm, [&work] { work.run(); });
    warm.join();
  }
  Measured measured;
  const auto start = runtime::Clock::now();
  asio::thread_pool pool(threads);
  for (auto& mine : took)
    asio::post(pool, [&work, &progress, &mine, rounds] {
      for (std::size_t round = 0; round < rounds; ++round) {
        const auto begin = runtime::Clock::now();
        work.run();
        mine.push_back(
            std::chrono::duration<double, std::milli>(runtime::Clock::now() - begin).count());
        progress.count_call();
      }
    });
  pool.join();
  measured.wall_s = std::chrono::duration<double>(runtime::Clock::now() - start).count();
  for (const auto& mine : took)
    measured.calls_ms.insert(measured.calls_ms.end(), mine.begin(), mine.end());
  std::sort(measured.calls_ms.begin(), measured.calls_ms.end());
  return measured;
}

void report(const GlobalOptions& global, const BenchOptions& options, const model::Workload& work,
            const Measured& measured) {
  const auto& info = work.info();
  const auto calls = measured.calls_ms.size();
  const double median = percentile(measured.calls_ms, 0.5);
  const double p95 = percentile(measured.calls_ms, 0.95);
  const double rate = static_cast<double>(work.tokens() * calls) / measured.wall_s;
  const auto machine = machine_name();
  if (global.json) {
    print_json(json::object{{"kind", options.kind},
                            {"model", info.name},
                            {"layers", info.layers},
                            {"hidden", info.hidden},
                            {"count", work.sequences()},
                            {"tokens", work.tokens() / work.sequences()},
                            {"threads", options.threads},
                            {"calls", calls},
                            {"median_ms", median},
                            {"p95_ms", p95},
                            {"tokens_per_s", rate},
                            {"machine", machine},
                            {"backend", info.backend},
                            {"isa", info.isa}});
    return;
  }
  std::printf("%s\n", info.describe().c_str());
  std::printf("%s of %s a call, %s, %s\n", count_of(work.sequences(), "sequence").c_str(),
              count_of(work.tokens() / work.sequences(), "token").c_str(),
              count_of(calls, "call").c_str(),
              count_of(static_cast<std::size_t>(options.threads), "thread").c_str());
  std::printf("median %.2f ms, p95 %.2f ms, %.0f tokens/s\n", median, p95, rate);
  std::printf("on %s\n", machine.c_str());
}

Result<model::Workload> load_for(const BenchOptions& options, const std::string& directory) {
  auto work = model::Workload::load(directory, {.device = *model::parse_device(options.device)});
  if (!work) return work;
  if (model::is_cross_encoder(work->info()) != (options.kind == "rerank"))
    return Error{Errc::model_unsupported,
                 work->info().name + " is a " + work->info().architecture +
                     ": measure it with `memseal bench " +
                     (options.kind == "rerank" ? "embed" : "rerank") + "`"};
  return work;
}

}  // namespace

int cmd_bench(const GlobalOptions& global, const BenchOptions& options) {
  const bool rerank = options.kind == "rerank";
  auto name = options.model;
  if (name.empty()) {
    const auto config = read_config(global);
    if (!config) return exit_usage;
    name = rerank ? config->rerank.model : config->embedding.model;
  }
  if (name.empty()) {
    complain({Errc::bad_config,
              "no cross-encoder is configured: name one with --model, or set " +
                  env_name("rerank.model") + "; `memseal models list` shows the installed ones"});
    return exit_usage;
  }
  const auto directory = find_model(name);
  if (!directory) {
    complain(directory.error());
    return exit_usage;
  }
  auto work = load_for(options, directory->string());
  if (!work) {
    complain(work.error());
    return exit_failed;
  }
  const auto pick = [](std::int64_t given, std::size_t standard) {
    return given > 0 ? static_cast<std::size_t>(given) : standard;
  };
  work->draw(pick(options.count, rerank ? 24 : 32), pick(options.tokens, rerank ? 256 : 128));
  report(global, options, *work, measure(*work, options, shows_progress(global)));
  return exit_ok;
}

}  // namespace memseal::app
