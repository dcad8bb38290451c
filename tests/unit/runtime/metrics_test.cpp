#include "runtime/metrics.hpp"

#include "runtime/histogram_summary.hpp"
#include "runtime/observe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace memseal::runtime {
namespace {

TEST(Metrics, HandsOutTheSameMetricForTheSameNameAndLabels) {
  Metrics metrics;
  auto& one = metrics.counter("memseal_a_total", "A.", {{"outcome", "ok"}});
  auto& same = metrics.counter("memseal_a_total", "A.", {{"outcome", "ok"}});
  auto& other = metrics.counter("memseal_a_total", "A.", {{"outcome", "bad"}});
  EXPECT_EQ(&one, &same);
  EXPECT_NE(&one, &other);
  one.Increment();
  same.Increment();
  EXPECT_EQ(one.Value(), 2);
  EXPECT_EQ(other.Value(), 0);
}

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

TEST(Metrics, BucketsContainTheObjectives) {
  const auto& latency = latency_buckets_s();
  for (const double edge : {0.15, 0.2, 0.25, 0.4, 1.5})
    EXPECT_NE(std::find(latency.begin(), latency.end(), edge), latency.end()) << edge;
  const auto& fast = fast_buckets_s();
  EXPECT_NE(std::find(fast.begin(), fast.end(), 0.001), fast.end());
  EXPECT_TRUE(std::is_sorted(latency.begin(), latency.end()));
  EXPECT_TRUE(std::is_sorted(fast.begin(), fast.end()));
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

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  auto& counter = metrics.counter("memseal_a_total", "A.");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 10'000; ++n) counter.Increment();
        (void)metrics.render();
      });
  }
  EXPECT_EQ(counter.Value(), 40'000);
}

}  // namespace
}  // namespace memseal::runtime
