#include "cases/guard/snapshot.hpp"

#include <gtest/gtest.h>

namespace memseal::guard {
namespace {

/// A page of a service that answered 100 queries; `errors` requests were answered with 503.
std::string page(int queries, int errors, const std::string& started = "1000") {
  const auto number = [](int value) { return " " + std::to_string(value) + "\n"; };
  const int slow = queries / 10;
  return "# HELP process_start_time_seconds Unix time of the start.\n"
         "# TYPE process_start_time_seconds gauge\n"
         "process_start_time_seconds " + started + "\n"
         "memseal_build_info{compiler=\"x\",release=\"canary-7\",version=\"0.1.0\"} 1\n"
         "memory_rls_policy_errors_total 1\nmemory_aad_mismatch_total 0\n"
         "memseal_isolation_findings 2\n"
         "memseal_query_ttfv_seconds_count" + number(queries) +
         "memseal_query_ttfv_seconds_bucket{le=\"1.5\"}" + number(queries - slow) +
         "memseal_query_ttfv_seconds_bucket{le=\"+Inf\"}" + number(queries) +
         "memory_query_response_time_ms_count" + number(queries) +
         "memory_query_response_time_ms_bucket{le=\"1500\"}" + number(queries) +
         "memory_query_response_time_ms_bucket{le=\"150\"} 0\n"
         "memseal_query_stage_duration_seconds_count{stage=\"search\"}" + number(queries) +
         "memseal_query_stage_duration_seconds_count{stage=\"embed\"} 77\n"
         "memseal_query_stage_duration_seconds_bucket{stage=\"search\",le=\"0.25\"}" +
         number(queries - 1) +
         "memseal_query_stage_duration_seconds_bucket{stage=\"embed\",le=\"0.25\"} 77\n"
         "memseal_sse_streams_total{outcome=\"completed\"}" + number(queries) +
         "memseal_sse_streams_total{outcome=\"failed\"} 3\n"
         "memseal_sse_streams_total{outcome=\"client_closed\"} 50\n"
         "memseal_http_requests_total{code=\"200\",method=\"POST\",route=\"/q\"}" +
         number(queries) +
         "memseal_http_requests_total{code=\"503\",method=\"POST\",route=\"/q\"}" + number(errors) +
         "memseal_http_requests_total{code=\"503\",method=\"GET\",route=\"/ready\"} 900\n" +
         "memseal_db_pool_busy_seconds_total{pool=\"requests\"}" + number(queries) +
         "memseal_db_pool_busy_seconds_total{pool=\"readiness\"} 9999\n"
         "memseal_db_pool_max{pool=\"requests\"} 4\nmemseal_db_pool_max{pool=\"readiness\"} 2\n";
}

TEST(Snapshots, ReadAPageOfMetrics) {
  const auto seen = read_snapshot(page(100, 5), 10);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->release, "canary-7");
  EXPECT_EQ(seen->started_s, 1'000);
  EXPECT_EQ(seen->counts.rls_errors, 1u);
  EXPECT_EQ(seen->counts.findings, 2u);
  EXPECT_EQ(seen->counts.ttfv.bad, 10u);
  EXPECT_EQ(seen->counts.ttfv.all, 100u);
  EXPECT_EQ(seen->counts.response.bad, 0u);
  EXPECT_EQ(seen->counts.search.bad, 1u);
  EXPECT_EQ(seen->counts.search.all, 100u) << "other stages are not counted";
  EXPECT_EQ(seen->counts.streams.bad, 3u);
  EXPECT_EQ(seen->counts.streams.all, 103u) << "who closed a stream is in no share";
  EXPECT_EQ(seen->counts.requests.bad, 5u);
  EXPECT_EQ(seen->counts.requests.all, 105u) << "who asks /ready is told, not failed";
  EXPECT_EQ(seen->pool_max, 4);
}

TEST(Snapshots, MissASeriesThatIsAbsent) {
  for (const std::string name :
       {"memory_aad_mismatch_total", "memseal_isolation_findings", "process_start_time_seconds",
        "memseal_db_pool_max{pool=\"requests\"}"}) {
    auto text = page(100, 0);
    for (auto at = text.find("\n" + name); at != text.npos; at = text.find("\n" + name))
      text.erase(at + 1, text.find('\n', at + 1) - at);
    const auto seen = read_snapshot(text, 0);
    ASSERT_FALSE(seen) << name;
    EXPECT_EQ(seen.error().code, Errc::unavailable);
    EXPECT_NE(seen.error().message.find(name.substr(0, name.find('{'))), std::string::npos);
  }
  EXPECT_FALSE(read_snapshot("", 0));
  EXPECT_FALSE(read_snapshot("<html>not metrics</html>", 0));
}

TEST(Snapshots, CountWhatLiesBetweenThem) {
  const auto before = read_snapshot(page(100, 5), 10).value();
  const auto after = read_snapshot(page(300, 7), 110).value();
  const auto window = between(before, after);
  EXPECT_FALSE(window.restarted);
  EXPECT_EQ(window.seconds, 100);
  EXPECT_EQ(window.rls_errors, 0u) << "of an earlier window";
  EXPECT_EQ(window.findings, 2u) << "now, not since";
  EXPECT_EQ(window.ttfv.all, 200u);
  EXPECT_EQ(window.ttfv.bad, 20u);
  EXPECT_EQ(window.requests.bad, 2u);
  EXPECT_DOUBLE_EQ(window.pool_use, 0.5) << "200 s of 4 connections in 100 s";
}

TEST(Snapshots, CountSinceTheRestart) {
  const auto before = read_snapshot(page(100, 5), 10).value();
  const auto after = read_snapshot(page(30, 1, "1050"), 110).value();
  const auto window = between(before, after);
  EXPECT_TRUE(window.restarted);
  EXPECT_EQ(window.ttfv.all, 30u);
  EXPECT_EQ(window.rls_errors, 1u);
}

}  // namespace
}  // namespace memseal::guard
