// Files that are no plain files, and writes that fail.
#include "app/config/text_file.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <thread>

namespace memseal::app {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class TextFile : public testing::Test {
 protected:
  const test::TempDirectory directory;
  const fs::path place = directory.path();
};

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

TEST_F(TextFile, OfATerminalEndsWhereItsUserEndsItAndCostsNoTimeMeanwhile) {
  const int user = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(user, 0);
  ASSERT_EQ(::grantpt(user), 0);
  ASSERT_EQ(::unlockpt(user), 0);
  const fs::path terminal = ::ptsname(user);
  // Open for the whole test, because a terminal that nobody has open forgets what was typed.
  const int other = ::open(terminal.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  std::optional<Result<std::string>> text;
  const auto before = cpu_s();
  std::thread reader([&] { text = read_text_file(terminal, 1'000); });
  std::this_thread::sleep_for(1s);
  EXPECT_LT(cpu_s() - before, 0.5);
  const std::string typed = "redis://db\n\x04";  // Ctrl-D
  EXPECT_EQ(::write(user, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  reader.join();
  ASSERT_TRUE(text && *text) << text->error().message;
  EXPECT_EQ(**text, "redis://db\n");
  ::close(other);
  ::close(user);
}

TEST_F(TextFile, OfADeviceThatIsNoTerminalIsReadWithinItsBound) {
  EXPECT_EQ(read_text_file("/dev/null", 10).value(), "");
  const auto endless = read_text_file("/dev/zero", 10'000);
  ASSERT_FALSE(endless);
  EXPECT_NE(endless.error().message.find("longer than 10000 bytes"), std::string::npos);
}

TEST_F(TextFile, OfAPipeOutlivesASignal) {
  const auto pipe = place / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  struct sigaction quiet {}, earlier {};
  quiet.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR1, &quiet, &earlier), 0);
  std::optional<Result<std::string>> text;
  std::atomic<bool> ended = false;
  std::thread reader([&] {
    text = read_text_file(pipe, 1'000);
    ended = true;
  });
  for (int i = 0; i < 10 && !ended; ++i) {
    std::this_thread::sleep_for(30ms);
    ::pthread_kill(reader.native_handle(), SIGUSR1);
  }
  EXPECT_FALSE(ended);
  // O_NONBLOCK, so that the test does not hang where no reader is left.
  const int writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (writer >= 0) {
    EXPECT_EQ(::write(writer, "text", 4), 4);
    ::close(writer);
  }
  reader.join();
  ::sigaction(SIGUSR1, &earlier, nullptr);
  ASSERT_TRUE(text && *text) << text->error().message;
  EXPECT_EQ(**text, "text");
}

/// Makes close(`handle`) fail with EIO from here on in this process. False: not allowed here.
bool fail_close_of(int handle) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(handle), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{std::size(rules), rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(TextFile, IsNotLeftBehindWhereOnlyItsCloseFails) {
  const auto file = place / "new";
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int next = ::dup(0);  // the number that the file will get
    ::close(next);
    if (!fail_close_of(next)) ::_exit(2);
    const auto written = write_new_file(file, "text");
    const bool told = !written && written.error().message.find("Input/output") != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "this machine does not let a process filter calls";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the failure was not reported";
  EXPECT_FALSE(fs::exists(file));
}

}  // namespace
}  // namespace memseal::app
