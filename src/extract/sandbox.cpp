#include "extract/sandbox.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace memseal::extract {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows x86-64 and aarch64"
#endif

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW, kill_it = SECCOMP_RET_KILL_PROCESS;
constexpr std::uint32_t deny = SECCOMP_RET_ERRNO | EPERM;

void must(bool done) {
  if (!done) _exit(126);
}

/// A program for the kernel's filter of system calls.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    jump_if_equal(architecture, 1, 0);
    end(kill_it);
    load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    constexpr std::uint32_t x32 = 0x40000000;
    add(BPF_JMP | BPF_JGE | BPF_K, x32, 0, 1);
    end(kill_it);
#endif
  }

  void on(long call, std::uint32_t action) {
    jump_if_equal(static_cast<std::uint32_t>(call), 0, 1);
    end(action);
  }
  void on_all(std::initializer_list<long> calls, std::uint32_t action) {
    for (const long call : calls) on(call, action);
  }
  /// Of `call`: `yes` where (argument & mask) is one of `values`, else `no`.
  void on_argument(long call, unsigned argument, std::uint32_t mask,
                   std::initializer_list<std::uint32_t> values, std::uint32_t yes,
                   std::uint32_t no) {
    jump_if_equal(static_cast<std::uint32_t>(call), 0,
                  static_cast<std::uint8_t>(3 + 2 * values.size()));
    load(offsetof(seccomp_data, args) + 8 * argument);  // the low half; both are little-endian
    add(BPF_ALU | BPF_AND | BPF_K, mask);
    for (const auto value : values) {
      jump_if_equal(value, 0, 1);
      end(yes);
    }
    end(no);
  }

  void put_on() {
    end(deny);
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    must(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  }

 private:
  void add(unsigned code, std::uint32_t value, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, value});
  }
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void jump_if_equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
  }
  void end(std::uint32_t action) { add(BPF_RET | BPF_K, action); }

  std::vector<sock_filter> code_;
};

void limit(int resource, rlim_t soft, rlim_t hard) {
  const rlimit both{soft, hard};
  must(::setrlimit(static_cast<__rlimit_resource>(resource), &both) == 0);
}

void limit_resources() {
  limit(RLIMIT_AS, memory_bytes_max, memory_bytes_max);
  limit(RLIMIT_CPU, cpu_seconds_max, cpu_seconds_max + 1);
  limit(RLIMIT_STACK, 8u << 20, 8u << 20);
  limit(RLIMIT_FSIZE, 0, 0);
  limit(RLIMIT_NOFILE, 8, 8);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_MEMLOCK, 0, 0);
  limit(RLIMIT_MSGQUEUE, 0, 0);
}

void filter_calls() {
  Filter filter;
  filter.on_all(
      {SYS_read, SYS_exit_group, SYS_exit, SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex,
       SYS_close, SYS_lseek, SYS_fstat, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_clock_gettime,
       SYS_getrandom, SYS_restart_syscall, SYS_getpid, SYS_gettid, SYS_sched_yield},
      allow);
  // What no parser ever calls: loud, because it is an attack or a bug.
  filter.on_all(
      {SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_ptrace, SYS_process_vm_readv,
       SYS_process_vm_writev, SYS_mount, SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl,
       SYS_userfaultfd, SYS_io_uring_setup, SYS_perf_event_open, SYS_execve, SYS_execveat},
      kill_it);
  for (const long call : {SYS_write, SYS_writev})
    filter.on_argument(call, 0, ~0u, {1, 2}, allow, SECCOMP_RET_ERRNO | EBADF);
  filter.on_argument(SYS_mmap, 2, PROT_EXEC, {0}, allow, deny);
  filter.on_argument(SYS_mprotect, 2, PROT_EXEC, {0}, allow, deny);
  filter.on_argument(SYS_tgkill, 0, ~0u, {static_cast<std::uint32_t>(::getpid())}, allow, kill_it);
  filter.on(SYS_ioctl, SECCOMP_RET_ERRNO | ENOTTY);
  filter.on(SYS_openat, SECCOMP_RET_ERRNO | EACCES);
  filter.put_on();
}

/// Where memory runs out, the kernel kills this process and not the service, which may be the
/// larger one. Where there is no /proc nothing is lost but that.
void be_killed_first() {
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const auto written = ::write(file, "1000", 4);
  ::close(file);
}

/// A container may take from its root the right to change groups, or that to change at all: it
/// changes what it may.
void become_nobody() {
  constexpr unsigned nobody = 65'534;
  const bool may_change = ::setgroups(0, nullptr) == 0 || errno != EPERM;
  const bool has_group = ::setresgid(nobody, nobody, nobody) == 0;
  const bool has_user = ::setresuid(nobody, nobody, nobody) == 0;
  must(!may_change || (has_group && has_user));
}

}  // namespace

void enter_sandbox() {
  be_killed_first();
  if (::geteuid() == 0) become_nobody();
  // After the change of user, which takes it away. Ends with the thread that started it.
  must(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  must(::prctl(PR_SET_DUMPABLE, 0) == 0);
  limit_resources();
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  filter_calls();
}

}  // namespace memseal::extract
