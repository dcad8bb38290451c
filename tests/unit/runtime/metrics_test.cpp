#include "runtime/metrics.hpp"

#include "runtime/histogram_summary.hpp"
#include "runtime/metrics_page.hpp"
#include "runtime/observe.hpp"
#include "runtime/process_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <string>

namespace memseal::runtime {
namespace {

TEST(Metrics, RendersThePrometheusTextFormat) {
  Metrics metrics;
  metrics.counter("memseal_a_total", "What A counts.", {{"outcome", "ok"}}).Increment(3);
  metrics.gauge("memseal_b", "B.").Set(1.5);
  metrics.histogram("memseal_c_seconds", "C.", latency_buckets_s()).Observe(0.2);
  const auto text = metrics.render();
  EXPECT_NE(text.find("# HELP memseal_a_total What A counts."), std::string::npos);
  EXPECT_NE(text.find("# TYPE memseal_a_total counter"), std::string::npos);
  EXPECT_NE(text.find("memseal_a_total{outcome=\"ok\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("memseal_b 1.5\n"), std::string::npos);
  EXPECT_NE(text.find("memseal_c_seconds_bucket{le=\"0.15\"} 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("memseal_c_seconds_bucket{le=\"0.2\"} 1\n"), std::string::npos) << text;
}

TEST(Metrics, LatencyBucketsContainTheObjectives) {
  const auto& latency = latency_buckets_s();
  for (const double edge : {0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.8, 1.5, 3.0})
    EXPECT_NE(std::find(latency.begin(), latency.end(), edge), latency.end()) << edge;
  EXPECT_TRUE(std::is_sorted(latency.begin(), latency.end()));
}

TEST(MetricsPage, HasTheFamiliesThatAreAskedFor) {
  Metrics metrics;
  metrics.counter("memseal_a_total", "A.").Increment();
  metrics.counter("memseal_b_total", "B.", {{"x", "# HELP memseal_a_total"}}).Increment();
  metrics.counter("memseal_b_total_more", "C.").Increment();
  EXPECT_EQ(families_of(metrics.render(),
                        [](std::string_view name) { return name == "memseal_b_total"; }),
            "# HELP memseal_b_total B.\n# TYPE memseal_b_total counter\n"
            "memseal_b_total{x=\"# HELP memseal_a_total\"} 1\n");
  EXPECT_EQ(families_of("", [](std::string_view) { return true; }), "");
}

/// The value of a series without labels.
double value_of(const std::string& text, const std::string& name) {
  const auto at = text.find("\n" + name + " ");
  return at == text.npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

TEST(ProcessMetrics, SayWhatTheSystemKnows) {
  Metrics metrics;
  observe_process(metrics);
  const auto first = metrics.render();
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_GT(value_of(first, "process_resident_memory_bytes"), 1e6) << first;
  EXPECT_GE(value_of(first, "memseal_resident_memory_peak_bytes"), 1e6);
  EXPECT_GT(value_of(first, "process_start_time_seconds"), now - 3'600);
  EXPECT_LE(value_of(first, "process_start_time_seconds"), now + 2);
  EXPECT_GE(value_of(first, "process_open_fds"), 3);
  EXPECT_GE(value_of(first, "process_max_fds"), value_of(first, "process_open_fds"));
  EXPECT_NE(first.find("memseal_heap_bytes{state=\"used\"}"), std::string::npos);

  // Processor time adds up: a second look adds what was spent since, and not the whole again.
  const auto spent = value_of(first, "process_cpu_seconds_total");
  const auto until = Clock::now() + std::chrono::milliseconds(50);
  while (Clock::now() < until) {
  }
  observe_process(metrics);
  const auto later = value_of(metrics.render(), "process_cpu_seconds_total");
  EXPECT_GT(later, spent);
  EXPECT_LT(later, spent + 5);
}

TEST(ProcessMetrics, NameTheBuildAndTheRelease) {
  Metrics metrics;
  observe_build(metrics, "canary-7");
  const auto text = metrics.render();
  EXPECT_NE(text.find("release=\"canary-7\""), std::string::npos) << text;
  EXPECT_NE(text.find("version=\"0.1.0\""), std::string::npos) << text;
  Metrics plain;
  observe_build(plain, "");
  EXPECT_NE(plain.render().find("release=\"0.1.0\""), std::string::npos);
}

TEST(Observe, CountsTimeInSeconds) {
  Metrics metrics;
  auto& histogram = metrics.histogram("memseal_a_seconds", "A.", latency_buckets_s());
  observe(histogram, std::chrono::milliseconds(250));
  EXPECT_DOUBLE_EQ(observed(histogram).mean, 0.25);
  auto& since = metrics.histogram("memseal_b_seconds", "B.", latency_buckets_s());
  const auto took = observe_since(since, Clock::now() - std::chrono::seconds(2));
  EXPECT_GE(took, std::chrono::seconds(2));
  EXPECT_EQ(observed(since).count, 1u);
  EXPECT_DOUBLE_EQ(observed(since).mean, std::chrono::duration<double>(took).count());
}

}  // namespace
}  // namespace memseal::runtime
