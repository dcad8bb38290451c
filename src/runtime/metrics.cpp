#include "runtime/metrics.hpp"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace memseal::runtime {

struct Metrics::Registry {
  prometheus::Registry all;
};

const std::vector<double>& latency_buckets_s() {
  // Each threshold of a rule or an objective is an edge, because a quantile is exact only at an
  // edge: 50, 100, 150, 200, 250, 400, 800, 1500 and 3000 ms.
  static const std::vector<double> edges{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                         0.15,   0.2,   0.25,  0.4,   0.8,  1.5,  3,    10};
  return edges;
}

Metrics::Metrics() : registry_(std::make_unique<Registry>()) {}
Metrics::~Metrics() = default;

// Register() and Add() return the existing family and metric when name and labels are known, so two
// modules may ask for the same metric.
Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return prometheus::BuildCounter()
      .Name(std::string(name))
      .Help(std::string(help))
      .Register(registry_->all)
      .Add(labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return prometheus::BuildGauge()
      .Name(std::string(name))
      .Help(std::string(help))
      .Register(registry_->all)
      .Add(labels);
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help,
                              const std::vector<double>& edges, const Labels& labels) {
  return prometheus::BuildHistogram()
      .Name(std::string(name))
      .Help(std::string(help))
      .Register(registry_->all)
      .Add(labels, edges);
}

std::string Metrics::render() const {
  return prometheus::TextSerializer().Serialize(registry_->all.Collect());
}

}  // namespace memseal::runtime
