#pragma once
// Counters, gauges and histograms of one process, in the Prometheus text format.
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::runtime {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;
using Labels = std::map<std::string, std::string>;

/// Bucket edges in seconds that contain every latency objective (0.15, 0.2, 0.25, 0.4, 1.5 s).
const std::vector<double>& latency_buckets_s();

/// Owns every metric of the process. Each module makes a struct of references to its own metrics at
/// start (SourceMetrics, HttpMetrics), so that a misspelt name does not compile.
/// Lifetime: the references live as long as this object. Thread: any.
/// NOTE: no label ever names a tenant.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       const std::vector<double>& edges, const Labels& labels = {});

  /// All metrics in the text exposition format 0.0.4.
  std::string render() const;

 private:
  struct Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace memseal::runtime
