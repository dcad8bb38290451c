// Stands in for memseal-extract that a document has taken over: what can it do, and does the
// service live? Its input names the deed.
#include "extract/sandbox.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

extern char** environ;

namespace {

std::string allowed;  // what was not denied

void frame(char type, int level, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string all{type, static_cast<char>(level), 0, 0};
  all.append(reinterpret_cast<const char*>(&size), sizeof size);
  all += payload;
  if (::write(1, all.data(), all.size()) < 0) _exit(3);
}

void tried(const char* what, long result) {
  if (result >= 0) allowed += std::string(what) + "; ";
}

void try_files() {
  for (const char* path : {"/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/self/maps",
                           "/dev/null", "/usr/lib/os-release", "/proc/self/fd/0", "/"})
    tried(path, ::open(path, O_RDONLY));
  const auto parent = "/proc/" + std::to_string(::getppid());
  for (const char* part : {"/environ", "/mem", "/fd/0"})
    tried(part, ::open((parent + part).c_str(), O_RDONLY));
  tried("create", ::open("/tmp/evil-was-here", O_CREAT | O_WRONLY, 0600));
  tried("mkdir", ::mkdir("/tmp/evil-dir", 0700));
  tried("unlink", ::unlink("/tmp/evil-was-here"));
  tried("write input", ::write(0, "x", 1));
  tried("memfd", ::syscall(SYS_memfd_create, "x", 0));
  tried("chmod", ::chmod("/tmp", 0777));
  tried("chdir", ::chdir("/"));
}

void try_processes() {
  tried("kill parent", ::kill(::getppid(), 0));
  tried("fork", ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  tried("clone3", ::syscall(SYS_clone3, 0, 0));
  tried("setuid", ::setuid(0));
  tried("prlimit", ::syscall(SYS_prlimit64, ::getppid(), RLIMIT_NOFILE, 0, 0));
  const auto map = [](int rights) {
    return ::mmap(nullptr, 4'096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                            : 0;
  };
  tried("new code", map(PROT_READ | PROT_WRITE | PROT_EXEC));
  tried("new code in two steps", map(PROT_READ | PROT_EXEC));
  static char page[8'192] __attribute__((aligned(4'096)));
  tried("code of data", ::mprotect(page, 4'096, PROT_READ | PROT_EXEC));
}

int started_with() {  // before the sandbox, which denies to look
  int open = 0;
  for (int fd = 0; fd < 1'024; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

[[noreturn]] void hold_still() {
  int word = 0;
  for (;;) ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
}

}  // namespace

int main() {
  char deed[64] = {};
  const int descriptors = started_with();
  const bool has_environment = environ != nullptr && *environ != nullptr;
  memseal::extract::enter_sandbox();
  if (::lseek(0, 0, SEEK_SET) != 0 || ::read(0, deed, sizeof deed - 1) < 0) return 2;
  const std::string_view todo = deed;
  frame('B', 0, "1");
  if (todo == "look") {
    try_files();
    try_processes();
    if (has_environment) allowed += "environment; ";
    frame('T', 0, "allowed: " + allowed + "descriptors: " + std::to_string(descriptors));
    frame('E', 0, "");
    _exit(0);
  }
  if (todo == "socket") ::socket(AF_INET, SOCK_STREAM, 0);
  if (todo == "ptrace") ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0);
  if (todo == "unshare") ::syscall(SYS_unshare, 0x10000000);
  if (todo == "uring") ::syscall(SYS_io_uring_setup, 8, deed);
  if (todo == "exec") ::execl("/bin/true", "true", nullptr);
  if (todo == "hog")
    for (;;) {
      void* volatile more = std::malloc(1 << 20);  // volatile: the compiler leaves out none
      if (more == nullptr) ::abort();
      std::memset(more, 1, 1 << 20);
    }
  if (todo == "flood") {
    const std::string text(60'000, 'x');
    for (;;) frame('T', 0, text);
  }
  if (todo == "lie") frame('T', 0, "\xff\xfe");
  if (todo == "crash") ::raise(SIGSEGV);
  if (todo == "still") hold_still();
  if (todo == "hide") {  // looks as if it had ended
    ::close(1);
    hold_still();
  }
  frame('T', 0, "lived on");
  frame('E', 0, "");
  _exit(0);
}
