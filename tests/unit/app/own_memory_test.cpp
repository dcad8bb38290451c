// What can be seen of a process that holds keys.
#include "app/cli/commands.hpp"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace memseal::app {
namespace {

/// In a process of its own, which it changes for good: whether its memory is closed after `command`
/// has read settings that are none.
template <class Command>
bool closes_its_memory(const Command& command) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(2);
    // Another test of this program may have run a command that closed it.
    const bool is_open_before =
        ::prctl(PR_SET_DUMPABLE, 1) == 0 && ::prctl(PR_GET_DUMPABLE) == 1;
    const bool is_refused = command(GlobalOptions{.config_file = "/nonexistent"}) != 0;
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    const bool is_closed = ::prctl(PR_GET_DUMPABLE) == 0 && core.rlim_max == 0;
    ::_exit(is_open_before && is_refused && is_closed ? 0 : 1);
  }
  int status = -1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

TEST(OwnMemory, IsClosedBeforeSettingsAndKeysAreRead) {
  using Command = int (*)(const GlobalOptions&);
  using Options = const GlobalOptions&;
  const std::pair<const char*, Command> commands[] = {
      {"serve", [](Options with) { return cmd_serve(with, {}); }},
      {"dev", [](Options with) { return cmd_dev(with, {}); }},
      {"keys init", [](Options with) { return cmd_keys_init(with, "/nonexistent/k"); }},
      {"token mint", [](Options with) { return cmd_token_mint(with, {.user = "a"}); }},
      {"tenant show", [](Options with) { return cmd_tenant_show(with, {.user = "a"}); }},
      {"backup verify", [](Options with) { return cmd_backup_verify(with, {.folder = "/a"}); }},
      {"doctor", cmd_doctor},
      {"producers keygen", [](Options with) {
         return cmd_producers_keygen(with, {.key_file = "/nonexistent/k"});
       }}};
  for (const auto& [name, command] : commands) EXPECT_TRUE(closes_its_memory(command)) << name;
}

}  // namespace
}  // namespace memseal::app
