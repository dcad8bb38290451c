#include "runtime/metrics.hpp"

#include "runtime/histogram_summary.hpp"
#include "runtime/observe.hpp"

#include <gtest/gtest.h>

#include <algorithm>

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
  for (const double edge : {0.15, 0.2, 0.25, 0.4, 1.5})
    EXPECT_NE(std::find(latency.begin(), latency.end(), edge), latency.end()) << edge;
  EXPECT_TRUE(std::is_sorted(latency.begin(), latency.end()));
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
