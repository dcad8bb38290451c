#include "app/service/exit_code.hpp"

#include "base/result.hpp"
#include "runtime/log.hpp"

#include <gtest/gtest.h>

#include <exception>
#include <string>

namespace memseal::app {
namespace {

struct Ended {
  int code = 0;
  std::string log;
};

Ended after(const std::exception_ptr& failure) {
  runtime::log_setup(runtime::LogLevel::info, runtime::LogFormat::json);
  ::testing::internal::CaptureStderr();
  const int code = exit_code_after(failure);
  return {code, ::testing::internal::GetCapturedStderr()};
}

TEST(ExitCodeAfter, AServiceThatWasAskedToStopIsZero) {
  const auto ended = after(nullptr);
  EXPECT_EQ(ended.code, exit_ok);
  EXPECT_NE(ended.log.find("\"service.stopped\""), std::string::npos) << ended.log;
}

// What ingest ends with when a right is missing for limits::ingest_setup_patience.
TEST(ExitCodeAfter, AFaultOfTheSetUpIsOneAndItsSentenceIsLogged) {
  const auto ended = after(std::make_exception_ptr(
      Refused(Error{Errc::not_migrated, "the role may not write app.ingest_events"})));
  EXPECT_EQ(ended.code, exit_failed);
  EXPECT_NE(ended.log.find("\"service.broken\""), std::string::npos) << ended.log;
  EXPECT_NE(ended.log.find("the role may not write app.ingest_events"), std::string::npos)
      << ended.log;
}

// What a consumer or a producer ends with when its client library cannot go on.
TEST(ExitCodeAfter, AFatalErrorOfAClientLibraryIsOneAndItsSentenceIsLogged) {
  const auto ended =
      after(std::make_exception_ptr(std::runtime_error("kafka: this member was fenced")));
  EXPECT_EQ(ended.code, exit_failed);
  EXPECT_NE(ended.log.find("kafka: this member was fenced"), std::string::npos) << ended.log;
}

TEST(ExitCodeAfter, AnExceptionOfAnyTypeIsOne) {
  EXPECT_EQ(after(std::make_exception_ptr(7)).code, exit_failed);
}

}  // namespace
}  // namespace memseal::app
