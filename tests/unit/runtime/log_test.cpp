#include "runtime/log.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace memseal::runtime {
namespace {

/// The line that `write` logs, without its time and level.
template <class Write>
std::string logged(LogFormat format, Write write) {
  log_setup(LogLevel::debug, format);
  ::testing::internal::CaptureStderr();
  write();
  auto line = ::testing::internal::GetCapturedStderr();
  const auto begin = format == LogFormat::json ? line.find("\"event\"") : line.find("event");
  return begin == std::string::npos ? line : line.substr(begin);
}

TEST(Log, WritesNamesAndValues) {
  const auto write = [] {
    log(LogLevel::info, "event_name", {{"user", "ab12"}, {"rows", 3}, {"ok", true}, {"ms", 1.5}});
  };
  EXPECT_EQ(logged(LogFormat::text, write), "event_name user=ab12 rows=3 ok=true ms=1.500000\n");
  EXPECT_EQ(logged(LogFormat::json, write),
            "\"event\":\"event_name\",\"user\":\"ab12\",\"rows\":3,\"ok\":true,\"ms\":1.500000}\n");
}

TEST(Log, KeepsOneEventOnOneLine) {
  const auto write = [] {
    log(LogLevel::warn, "event", {{"reason", "a\nlevel=error event=forged\r\x1b[31m\x7f"}});
  };
  const std::string escaped = R"("a\u000alevel=error event=forged\u000d\u001b[31m\u007f")";
  EXPECT_EQ(logged(LogFormat::text, write), "event reason=" + escaped + "\n");
  EXPECT_EQ(logged(LogFormat::json, write), "\"event\":\"event\",\"reason\":" + escaped + "}\n");
}

TEST(Log, QuotesWhatCouldBeTakenForAnotherField) {
  const auto text = [](const std::string& value) {
    return logged(LogFormat::text, [&] { log(LogLevel::info, "event", {{"v", value}}); });
  };
  EXPECT_EQ(text("a b"), "event v=\"a b\"\n");
  EXPECT_EQ(text("a=b"), "event v=\"a=b\"\n");
  EXPECT_EQ(text("a\"b\\"), "event v=\"a\\\"b\\\\\"\n");
  EXPECT_EQ(text(""), "event v=\"\"\n");
  EXPECT_EQ(text("a-b_c/d:e"), "event v=a-b_c/d:e\n");
  EXPECT_EQ(text("\x7f"), "event v=\"\\u007f\"\n");
}

TEST(Log, WritesAsciiWhateverTheBytes) {
  // Ill-formed UTF-8 would break the JSON; U+009B is a terminal's escape.
  const auto write = [] { log(LogLevel::info, "event", {{"v", "\xff \xc2\x9b"}}); };
  for (const auto format : {LogFormat::text, LogFormat::json})
    for (const char c : logged(format, write)) EXPECT_LT(static_cast<unsigned char>(c), 0x7f);
}

TEST(Log, WritesNoNumberThatJsonLacks) {
  const auto write = [] {
    log(LogLevel::info, "event",
        {{"a", std::numeric_limits<double>::quiet_NaN()},
         {"b", std::numeric_limits<double>::infinity()}});
  };
  EXPECT_EQ(logged(LogFormat::json, write), "\"event\":\"event\",\"a\":\"nan\",\"b\":\"inf\"}\n");
}

TEST(Log, TakesNoFormatFromItsValues) {
  const auto write = [] { log(LogLevel::info, "event", {{"v", "{}{0}%n%s"}}); };
  EXPECT_EQ(logged(LogFormat::text, write), "event v={}{0}%n%s\n");
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  log_setup(LogLevel::warn, LogFormat::text);
  ::testing::internal::CaptureStderr();
  log(LogLevel::info, "hidden");
  log(LogLevel::error, "shown");
  const auto lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines.find("hidden"), std::string::npos);
  EXPECT_NE(lines.find("shown"), std::string::npos);
  log_setup(LogLevel::info, LogFormat::text);
}

TEST(Log, KnowsItsLevelsByName) {
  LogLevel level = LogLevel::info;
  EXPECT_TRUE(parse_log_level("debug", level));
  EXPECT_EQ(level, LogLevel::debug);
  EXPECT_TRUE(parse_log_level("off", level));
  EXPECT_FALSE(parse_log_level("verbose", level));
  EXPECT_EQ(level, LogLevel::off) << "an unknown name changes nothing";
}

}  // namespace
}  // namespace memseal::runtime
