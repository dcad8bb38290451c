#include "pure/trace/options.hpp"

#include "support/contains.hpp"

#include <gtest/gtest.h>

namespace memseal::trace {
namespace {

using Pairs = Options::Pairs;

/// With an endpoint, so that the rest is read.
OptionsRead read(Pairs variables) {
  variables.emplace_back("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
  return read_options(variables);
}

TEST(TraceOptions, AreOffUnlessAnEndpointOrTheExporterIsNamed) {
  EXPECT_FALSE(read_options({}).options.enabled);
  const Pairs others{{"OTEL_SERVICE_NAME", "x"}, {"OTEL_TRACES_SAMPLER", "nonsense"},
                     {"OTEL_EXPORTER_OTLP_ENDPOINT", " "}};
  EXPECT_FALSE(read_options(others).options.enabled);
  EXPECT_TRUE(read_options(others).warnings.empty());
  const auto on = read({});
  EXPECT_TRUE(on.options.enabled);
  EXPECT_TRUE(on.warnings.empty());
  const auto local = read_options(Pairs{{"OTEL_TRACES_EXPORTER", "otlp"}}).options;
  EXPECT_TRUE(local.enabled);
  EXPECT_EQ(local.endpoint + local.path, "http://localhost:4318/v1/traces");
  EXPECT_FALSE(read({{"OTEL_SDK_DISABLED", "TRUE"}}).options.enabled);
  EXPECT_TRUE(read({{"OTEL_SDK_DISABLED", "1"}}).options.enabled);
  EXPECT_FALSE(read({{"OTEL_TRACES_EXPORTER", "none"}}).options.enabled);
  const auto zipkin = read({{"OTEL_TRACES_EXPORTER", "zipkin"}});
  EXPECT_FALSE(zipkin.options.enabled);
  EXPECT_EQ(zipkin.warnings.size(), 1u);
  const auto both = read({{"OTEL_TRACES_EXPORTER", "otlp, console"}});
  EXPECT_TRUE(both.options.enabled);
  EXPECT_EQ(both.warnings.size(), 1u);
  const auto unknown = read({{"OTEL_TRACES_EXPORTER", "oltp"}});
  EXPECT_TRUE(unknown.options.enabled) << "a value that nobody knows is ignored";
  EXPECT_EQ(unknown.warnings.size(), 1u);
  EXPECT_FALSE(read_options(Pairs{{"OTEL_TRACES_EXPORTER", "oltp"}}).options.enabled);
}

TEST(TraceOptions, TakeTheEndpointOfTracesAsItIsAndTheCommonOneAsABase) {
  const auto url = [](Pairs variables) {
    const auto options = read_options(variables).options;
    return options.endpoint + options.path;
  };
  const std::string common = "OTEL_EXPORTER_OTLP_ENDPOINT",
                    own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  EXPECT_EQ(url({{common, "https://c:1/base"}}), "https://c:1/base/v1/traces");
  EXPECT_EQ(url({{own, "https://t/x/y"}, {common, "http://c"}}), "https://t/x/y");
  EXPECT_EQ(url({{own, "https://t"}}), "https://t/");
  EXPECT_EQ(url({{own, "https://t/x/"}}), "https://t/x/");
  EXPECT_EQ(url({{common, "https://c/base/"}}), "https://c/base/v1/traces");
  for (const auto& bad : {"collector:4318", "ftp://c", "http://", "http://user:pw@c"}) {
    const auto refused = read_options(Pairs{{common, bad}});
    EXPECT_FALSE(refused.options.enabled) << bad;
    ASSERT_EQ(refused.warnings.size(), 1u) << bad;
    EXPECT_FALSE(test::contains(refused.warnings[0], "pw")) << refused.warnings[0];
  }
}

TEST(TraceOptions, SpeakOneProtocol) {
  EXPECT_TRUE(read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}}).options.enabled);
  EXPECT_TRUE(read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                    {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"}})
                  .options.enabled);
  const auto grpc = read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}});
  EXPECT_FALSE(grpc.options.enabled);
  EXPECT_TRUE(read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "htpp/protobuf"}}).options.enabled);
  EXPECT_EQ(grpc.warnings.size(), 1u);
}

TEST(TraceOptions, ReadLists) {
  const auto options =
      read({{"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20s3,x=1=2"},
            {"OTEL_RESOURCE_ATTRIBUTES", " service.name=a , deployment.environment = p%2Cq,,e="}})
          .options;
  EXPECT_EQ(options.headers, (Pairs{{"Authorization", "Bearer s3"}, {"x", "1=2"}}));
  EXPECT_EQ(options.resource,
            (Pairs{{"service.name", "a"}, {"deployment.environment", "p,q"}, {"e", ""}}));
  EXPECT_EQ(read({}).options.resource, (Pairs{{"service.name", "memseal"}}));
  const auto named = read({{"OTEL_SERVICE_NAME", "b"},
                           {"OTEL_RESOURCE_ATTRIBUTES", "service.name=a"}});
  EXPECT_EQ(named.options.resource, (Pairs{{"service.name", "b"}}));
  for (const auto& bad : {"secret", "=secret", "a=%zsecret", "a=%0asecret", "a=%ffsecret",
                          "a secret=1", "a:=secret", "\xffsecret=1"}) {
    const auto refused = read({{"OTEL_EXPORTER_OTLP_HEADERS", std::string("x=1,") + bad}});
    EXPECT_TRUE(refused.options.headers.empty()) << bad;
    ASSERT_EQ(refused.warnings.size(), 1u) << bad;
    EXPECT_FALSE(test::contains(refused.warnings[0], "secret")) << refused.warnings[0];
  }
}

TEST(TraceOptions, HoldOnlyWhatAReceiverCanRead) {
  const auto name = read({{"OTEL_SERVICE_NAME", "a\xff"}});
  EXPECT_EQ(name.options.resource, (Pairs{{"service.name", "memseal"}}));
  EXPECT_EQ(name.warnings.size(), 1u);
  const auto key = read({{"OTEL_RESOURCE_ATTRIBUTES", "a\xff=1"}});
  EXPECT_EQ(key.options.resource, (Pairs{{"service.name", "memseal"}}));
  EXPECT_EQ(key.warnings.size(), 1u);
  const auto twice = read({{"OTEL_RESOURCE_ATTRIBUTES", "a=1,service.name=x,a=2,service.name=y"}});
  EXPECT_EQ(twice.options.resource, (Pairs{{"service.name", "y"}, {"a", "2"}}));
  EXPECT_EQ(twice.warnings.size(), 2u);
}

TEST(TraceOptions, ReadNumbersAndKeepTheirDefaultsWhereTheseAreNone) {
  const auto read_all = read({{"OTEL_EXPORTER_OTLP_TIMEOUT", "7"},
                              {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "8"},
                              {"OTEL_BSP_MAX_QUEUE_SIZE", "100"},
                              {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"},
                              {"OTEL_BSP_SCHEDULE_DELAY", "9"},
                              {"OTEL_BSP_EXPORT_TIMEOUT", "10"}});
  EXPECT_TRUE(read_all.warnings.empty());
  EXPECT_EQ(read_all.options.attempt_timeout.count(), 8);
  EXPECT_EQ(read_all.options.queue_max, 100u);
  EXPECT_EQ(read_all.options.batch_max, 100u);
  EXPECT_EQ(read_all.options.delay.count(), 9);
  EXPECT_EQ(read_all.options.export_timeout.count(), 10);
  for (const auto& bad : {"-1", "1s", "2147483648", "99999999999999999999", "0x10"}) {
    const auto refused = read({{"OTEL_BSP_SCHEDULE_DELAY", bad}});
    EXPECT_EQ(refused.options.delay.count(), 5'000) << bad;
    EXPECT_EQ(refused.warnings.size(), 1u) << bad;
  }
  EXPECT_EQ(read({{"OTEL_BSP_MAX_QUEUE_SIZE", "0"}}).options.queue_max, 2'048u);
  EXPECT_EQ(read({{"OTEL_BSP_SCHEDULE_DELAY", "2147483647"}}).options.delay.count(), 2'147'483'647);
  // 0 is "at once", and "for ever".
  const auto zeros = read({{"OTEL_BSP_SCHEDULE_DELAY", "0"},
                           {"OTEL_BSP_EXPORT_TIMEOUT", "0"},
                           {"OTEL_EXPORTER_OTLP_TIMEOUT", "0"}});
  EXPECT_TRUE(zeros.warnings.empty());
  EXPECT_EQ(zeros.options.delay.count(), 1);
  EXPECT_GT(zeros.options.export_timeout, std::chrono::hours(24 * 365));
  EXPECT_GT(zeros.options.attempt_timeout, std::chrono::hours(24 * 365));
}

TEST(TraceOptions, KnowTheSamplers) {
  const auto sampler = [](const char* name, const char* argument = "") {
    return read({{"OTEL_TRACES_SAMPLER", name}, {"OTEL_TRACES_SAMPLER_ARG", argument}})
        .options.sampler;
  };
  const auto is = [](const Sampler& sampler, double ratio, bool follows) {
    return sampler.ratio == ratio && sampler.follows_parent == follows;
  };
  EXPECT_TRUE(is(read({}).options.sampler, 1, true));
  EXPECT_TRUE(is(sampler("always_on"), 1, false));
  EXPECT_TRUE(is(sampler("always_off"), 0, false));
  EXPECT_TRUE(is(sampler("traceidratio", "0.25"), 0.25, false));
  EXPECT_TRUE(is(sampler("traceidratio"), 1, false));
  EXPECT_TRUE(is(sampler("parentbased_always_on", "0.25"), 1, true));
  EXPECT_TRUE(is(sampler("parentbased_always_off"), 0, true));
  EXPECT_TRUE(is(sampler("parentbased_traceidratio", "1e-3"), 1e-3, true));
  for (const auto& bad : {"1.1", "-0.1", "nan", "inf", "half", "0.5x"}) {
    const auto refused = read(
        {{"OTEL_TRACES_SAMPLER", "traceidratio"}, {"OTEL_TRACES_SAMPLER_ARG", bad}});
    EXPECT_EQ(refused.options.sampler.ratio, 1) << bad;
    EXPECT_EQ(refused.warnings.size(), 1u) << bad;
  }
  EXPECT_EQ(read({{"OTEL_TRACES_SAMPLER", "jaeger_remote"}}).warnings.size(), 1u);
}

TEST(TraceOptions, SayWhatTheyDoNotFollow) {
  EXPECT_TRUE(read({{"OTEL_PROPAGATORS", "baggage,tracecontext"}}).options.propagates);
  EXPECT_FALSE(read({{"OTEL_PROPAGATORS", "none"}}).options.propagates);
  const auto b3 = read({{"OTEL_PROPAGATORS", "b3"}});
  EXPECT_TRUE(b3.options.propagates);
  EXPECT_EQ(read({{"OTEL_PROPAGATORS", "nottracecontext"}}).warnings.size(), 1u);
  EXPECT_EQ(b3.warnings.size(), 1u);
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"}}).warnings.size(), 1u);
  EXPECT_EQ(read({{"OTEL_SPAN_LINK_COUNT_LIMIT", "3"}}).warnings.size(), 1u);
  EXPECT_TRUE(read({{"OTEL_EXPORTER_OTLP_COMPRESSION", "none"}}).warnings.empty());
}

}  // namespace
}  // namespace memseal::trace
