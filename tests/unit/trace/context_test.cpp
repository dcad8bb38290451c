#include "pure/trace/context.hpp"

#include "pure/trace/sampler.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::trace {
namespace {

const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(Traceparent, ComesOutAsItWentIn) {
  const auto context = parse_traceparent(good);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id.front(), 0x0a);
  EXPECT_EQ(context->trace_id.back(), 0x9c);
  EXPECT_EQ(context->span_id.front(), 0xb7);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(write_traceparent(*context), good);
}

TEST(Traceparent, ReadsOneFlagAndPassesNoOtherOn) {
  auto text = good;
  text.replace(53, 2, "fe");
  EXPECT_FALSE(parse_traceparent(text)->sampled);
  text.replace(53, 2, "03");
  EXPECT_TRUE(parse_traceparent(text)->sampled);
  EXPECT_EQ(write_traceparent(*parse_traceparent(text)), good);
}

TEST(Traceparent, ReadsALaterVersionAsFarAsThisOneGoes) {
  auto text = good;
  text.replace(0, 2, "cc");
  EXPECT_TRUE(parse_traceparent(text));
  EXPECT_TRUE(parse_traceparent(text + "-what-comes"));
  EXPECT_FALSE(parse_traceparent(text + ".what-comes"));
}

TEST(Traceparent, RefusesWhatIsMalformed) {
  const auto with = [](std::size_t at, const std::string& part) {
    auto text = good;
    return text.replace(at, part.size(), part);
  };
  const std::string bad[] = {"",
                             good.substr(0, 54),
                             good + "-",
                             good + "0",
                             with(0, "ff"),
                             with(2, "_"),
                             with(3, "0AF7"),
                             with(3, "g"),
                             with(3, std::string(32, '0')),
                             with(35, " "),
                             with(36, std::string(16, '0')),
                             with(36, "B7"),
                             with(52, "0"),
                             with(53, "0x")};
  for (const auto& text : bad) EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(TraceHeaders, CarryAContext) {
  const std::vector<std::pair<std::string, std::string>> fields{{"traceparent", good}};
  EXPECT_EQ(headers_of(*read_context(good)), fields);
  EXPECT_FALSE(read_context(""));
  EXPECT_FALSE(read_context(std::nullopt));
}

TEST(Sampler, FollowsTheParentOrTheRatio) {
  const TraceId low{}, high{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  SpanContext sampled, unsampled;
  sampled.sampled = true;
  EXPECT_TRUE((Sampler{0, true}.samples(high, &sampled)));
  EXPECT_FALSE((Sampler{1, true}.samples(low, &unsampled)));
  EXPECT_TRUE((Sampler{1, false}.samples(high, &unsampled)));
  EXPECT_FALSE((Sampler{0, false}.samples(low, &sampled)));
  EXPECT_TRUE((Sampler{0.5, true}.samples(low, nullptr)));
  EXPECT_FALSE((Sampler{0.5, true}.samples(high, nullptr)));
  const TraceId below{0xff, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff}, above{0, 0, 0, 0, 0, 0, 0, 0, 0x80};
  EXPECT_TRUE((Sampler{0.5, true}.samples(below, nullptr)));
  EXPECT_FALSE((Sampler{0.5, true}.samples(above, nullptr)));
}

}  // namespace
}  // namespace memseal::trace
