#include "base/fd.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <fcntl.h>

#include <atomic>
#include <string>
#include <thread>

namespace memseal {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    out = Fd(ends[0]);
    in = Fd(ends[1]);
  }
  Fd out, in;
};

TEST(Fd, ClosesTheDescriptorThatItHolds) {
  Pipe pipe;
  ASSERT_TRUE(pipe.in);
  const int in = pipe.in.get();
  Fd taken = std::move(pipe.in);
  EXPECT_NE(::fcntl(in, F_GETFD), -1);
  taken.close();
  EXPECT_EQ(::fcntl(in, F_GETFD), -1);
}

std::atomic<int> signals;

// A signal ends a write() that has written some bytes; the rest must follow.
TEST(WriteAll, GoesOnWhereASignalBrokeOff) {
  signals = 0;
  struct sigaction count {}, before {};
  count.sa_handler = [](int) { ++signals; };
  ASSERT_EQ(::sigaction(SIGUSR1, &count, &before), 0);
  Pipe pipe;
  ASSERT_TRUE(pipe.in);
  const std::string text(1 << 20, 'x');  // 16 times what a pipe holds, so that write() blocks
  std::string read;
  const auto writer = ::pthread_self();
  std::thread reader([&] {
    pollfd full{pipe.in.get(), POLLOUT, 0};
    while (::poll(&full, 1, 0) == 1) std::this_thread::yield();
    ::pthread_kill(writer, SIGUSR1);
    while (signals == 0) std::this_thread::yield();
    char piece[4'096];
    while (read.size() < text.size()) {
      const auto got = ::read(pipe.out.get(), piece, sizeof piece);
      if (got <= 0) break;
      read.append(piece, static_cast<std::size_t>(got));
    }
  });
  const bool written = write_all(pipe.in.get(), text.data(), text.size());
  pipe.in.close();
  reader.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_TRUE(written);
  EXPECT_EQ(read, text);
}

TEST(WriteAll, LeavesTheCauseInErrno) {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  EXPECT_FALSE(write_all(full.get(), "x", 1));
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_TRUE(write_all(full.get(), "", 0));
}

}  // namespace
}  // namespace memseal
