#include "app/service/supervisor.hpp"

#include "runtime/log.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>

namespace memseal::app {
namespace {

/// The socket of a supervisor of the test's own.
class Receiver {
 public:
  /// "@name" is an abstract name.
  explicit Receiver(std::string name) : handle_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(handle_, reinterpret_cast<const sockaddr*>(&address), size), 0)
        << std::strerror(errno);
  }
  ~Receiver() { ::close(handle_); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /// The next state; empty: none has come.
  std::string next() const {
    char text[256];
    const auto size = ::recv(handle_, text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  int handle_;
};

TEST(Supervisor, LearnsOfEachState) {
  const test::TempDirectory folder;
  const auto name = (folder / "notify").string();
  const Receiver receiver(name);
  const Supervisor supervisor(name);
  supervisor.ready();
  EXPECT_EQ(receiver.next(), "READY=1");
  supervisor.reloading();
  EXPECT_TRUE(
      std::regex_match(receiver.next(), std::regex("RELOADING=1\nMONOTONIC_USEC=[1-9]\\d*")));
  supervisor.ready();
  EXPECT_EQ(receiver.next(), "READY=1");
  supervisor.stopping();
  EXPECT_EQ(receiver.next(), "STOPPING=1");
  EXPECT_EQ(receiver.next(), "");
}

TEST(Supervisor, IsReachedByAnAbstractName) {
  const auto name = "@memseal-test-" + std::to_string(::getpid());
  const Receiver receiver(name);
  Supervisor(name).ready();
  EXPECT_EQ(receiver.next(), "READY=1");
}

TEST(Supervisor, IsNamedByTheEnvironment) {
  const test::TempDirectory folder;
  const auto name = (folder / "notify").string();
  const Receiver receiver(name);
  ASSERT_EQ(::setenv("NOTIFY_SOCKET", name.c_str(), 1), 0);
  const auto supervisor = Supervisor::of_process();
  ASSERT_EQ(::unsetenv("NOTIFY_SOCKET"), 0);
  supervisor.ready();
  EXPECT_EQ(receiver.next(), "READY=1");
  Supervisor::of_process().ready();
  EXPECT_EQ(receiver.next(), "") << "without the variable";
}

TEST(Supervisor, MayBeGoneWithoutHarmToTheService) {
  const test::TempDirectory folder;
  runtime::log_setup(runtime::LogLevel::info, runtime::LogFormat::json);
  ::testing::internal::CaptureStderr();
  Supervisor("").stopping();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  for (const auto& name : {(folder / "gone").string(), std::string(200, 'x')}) {
    ::testing::internal::CaptureStderr();
    Supervisor(name).stopping();
    const auto said = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("\"service.notify_failed\""), std::string::npos) << said;
    EXPECT_NE(said.find("\"state\":\"STOPPING=1\""), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace memseal::app
