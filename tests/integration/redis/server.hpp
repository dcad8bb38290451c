#pragma once
// A redis-server of one test's own: on a free loopback port, without a disk, to be killed at will.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace memseal::redis::testing {

inline bool have_redis_server() {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/usr/local/bin" : path;
  while (!rest.empty()) {
    const auto folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    if (::access((std::string(folder) + "/redis-server").c_str(), X_OK) == 0) return true;
  }
  return false;
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

class RedisServer {
 public:
  explicit RedisServer(std::string password = {})
      : password_(std::move(password)), port_(free_port()) {
    start();
  }
  ~RedisServer() { kill(); }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& login = {}) const {
    return "redis://" + login + "127.0.0.1:" + std::to_string(port_) + "/0";
  }

  /// Starts a server (again) on the same port, with an empty memory.
  void start() {
    pid_ = ::fork();
    if (pid_ == 0) exec();
    for (int i = 0; i < 1'000 && !answers(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void pause() { signal(SIGSTOP); }
  void resume() { signal(SIGCONT); }

 private:
  [[noreturn]] void exec() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--dir",
                                   std::filesystem::temp_directory_path().string(),
                                   "--loglevel",
                                   "warning",
                                   "--daemonize",
                                   "no"};
    if (!password_.empty()) words.insert(words.end(), {"--requirepass", password_});
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    // It dies with the test, however that ends, and keeps none of its pipes open.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    ::execvp(argv[0], argv.data());
    std::_Exit(127);
  }

  // A negative number would mean every process there is.
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }

  bool answers() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto address = loopback(port_);
    const bool up = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return up;
  }

  std::string password_;
  std::uint16_t port_;
  pid_t pid_ = -1;
};

}  // namespace memseal::redis::testing
