#include "app/cli/local_postgres.hpp"

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "pure/crypto/random.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

Error cannot(std::string sentence) { return {Errc::unavailable, std::move(sentence)}; }

// The newest installed server. Debian keeps the programs of each version in a folder of their own.
std::optional<fs::path> find_server_programs() {
  std::vector<std::pair<int, fs::path>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored))
    if (fs::exists(entry.path() / "bin/initdb"))
      found.emplace_back(std::atoi(entry.path().filename().c_str()), entry.path() / "bin");
  if (found.empty()) return std::nullopt;
  return std::max_element(found.begin(), found.end())->second;
}

struct Account {
  uid_t user = 0;
  gid_t group = 0;
};

std::optional<Account> server_account() {
  if (geteuid() != 0) return Account{geteuid(), getegid()};
  const auto* entry = getpwnam("postgres");
  if (entry == nullptr) return std::nullopt;
  return Account{entry->pw_uid, entry->pw_gid};
}

// Starts `words` as `account`, output to `log`. The child gets SIGINT when this process dies.
pid_t spawn(const std::vector<std::string>& words, Account account, const fs::path& log,
            const fs::path& directory) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out >= 0) {
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
  }
  if (geteuid() == 0 &&
      // In this order: after setuid() the process may no longer change its groups.
      (setgroups(0, nullptr) != 0 || setgid(account.group) != 0 || setuid(account.user) != 0))
    _exit(126);
  if (chdir(directory.c_str()) != 0) _exit(126);
  setsid();  // Ctrl-C in the terminal reaches memseal alone, which then stops the server.
  prctl(PR_SET_PDEATHSIG, SIGINT);
  if (getppid() != parent) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void pause_ms(long milliseconds) {
  timespec time{0, milliseconds * 1'000'000};
  nanosleep(&time, nullptr);
}

std::string random_password() {
  std::uint8_t bytes[24];
  crypto::fill_random(bytes);
  return to_hex(bytes, sizeof bytes);
}

Result<std::string> write_password(const fs::path& file, Account account) {
  auto password = random_password();
  const Fd out(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out || !write_all(out.get(), password.data(), password.size()))
    return cannot("cannot write " + file.string());
  if (geteuid() == 0 && chown(file.c_str(), account.user, account.group) != 0)
    return cannot("cannot hand " + file.string() + " to user postgres");
  return password;
}

/// Returns the password of the owner; empty: the directory keeps others out.
Result<std::string> make_cluster(const fs::path& programs, const fs::path& directory,
                                 Account account, LocalPostgres::Reach reach) {
  std::vector<std::string> words{(programs / "initdb").string(),
                                 "-D",
                                 (directory / "data").string(),
                                 "-U",
                                 "memseal_dev",
                                 "--encoding=UTF8",
                                 "--locale=C.UTF-8",
                                 // To sync every file takes longer than all the rest, and a
                                 // power failure just then costs an empty cluster.
                                 "--no-sync"};
  std::string password;
  if (reach == LocalPostgres::Reach::loopback) {
    const auto file = directory / "password";
    auto written = write_password(file, account);
    if (!written) return written.error();
    password = *written;
    words.insert(words.end(), {"--auth=scram-sha-256", "--pwfile=" + file.string()});
  } else {
    words.push_back("--auth=trust");
  }
  if (geteuid() == 0 && chown(directory.c_str(), account.user, account.group) != 0)
    return cannot("cannot hand " + directory.string() + " to user postgres");
  const auto log = directory / "initdb.log";
  if (wait_for(spawn(words, account, log, directory)) != 0)
    return cannot("initdb failed; see " + log.string());
  return password;
}

std::vector<std::string> server_words(const fs::path& programs, const fs::path& directory,
                                      LocalPostgres::Reach reach, int port) {
  std::vector<std::string> words{(programs / "postgres").string(),
                                 "-D",
                                 (directory / "data").string(),
                                 "-p",
                                 std::to_string(port)};
  const auto set = [&](const std::string& setting) { words.insert(words.end(), {"-c", setting}); };
  if (reach == LocalPostgres::Reach::loopback) {
    set("listen_addresses=127.0.0.1");
    set("unix_socket_directories=");
  } else {
    set("listen_addresses=");
    set("unix_socket_directories=" + directory.string());
    set("unix_socket_permissions=0700");
    for (const auto* unsafe : {"fsync=off", "full_page_writes=off", "synchronous_commit=off"})
      set(unsafe);
  }
  set("jit=off");
  set("max_connections=50");
  return words;
}

// The server opens its sockets before it answers. It writes into its lock file, as the eighth line,
// when it is ready.
// The first line is its process, because a server that was killed leaves its file behind.
bool is_ready(const fs::path& directory, pid_t server) {
  std::ifstream file(directory / "data/postmaster.pid");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1 && line != std::to_string(server)) return false;
    if (number == 8) return line.starts_with("ready");
  }
  return false;
}

}  // namespace

int free_loopback_port() {
  const int link = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  const bool bound = bind(link, reinterpret_cast<sockaddr*>(&place), size) == 0 &&
                     getsockname(link, reinterpret_cast<sockaddr*>(&place), &size) == 0;
  close(link);
  if (!bound) throw Outage({Errc::unavailable, "no free loopback port"});
  return ntohs(place.sin_port);
}

Result<std::unique_ptr<LocalPostgres>> LocalPostgres::start(const fs::path& directory,
                                                            Reach reach) {
  const auto programs = find_server_programs();
  if (!programs)
    return cannot(
        "no PostgreSQL server is installed: install PostgreSQL and pgvector, or name a database "
        "that can be used instead (--pg of `dev`, --scratch of `backup verify`)");
  const auto account = server_account();
  if (!account) return cannot("PostgreSQL does not run as root, and there is no user postgres");

  std::string password;
  if (fs::exists(directory / "data/PG_VERSION")) {
    std::ifstream(directory / "password") >> password;
  } else {
    auto made = make_cluster(*programs, directory, *account, reach);
    if (!made) return made.error();
    password = *made;
  }
  const bool by_socket = reach == Reach::socket;
  std::unique_ptr<LocalPostgres> cluster(new LocalPostgres);
  cluster->port_ = by_socket ? 5'432 : free_loopback_port();
  const auto log = directory / "postgres.log";
  cluster->server_ =
      spawn(server_words(*programs, directory, reach, cluster->port_), *account, log, directory);
  for (int tries = 0; tries < 300; ++tries) {
    if (is_ready(directory, cluster->server_)) {
      const auto port = std::to_string(cluster->port_);
      cluster->dsn_ = by_socket ? "postgresql://memseal_dev@/postgres?host=" + directory.string() +
                                      "&port=" + port
                                : "postgresql://memseal_dev:" + password + "@127.0.0.1:" + port +
                                      "/postgres";
      return cluster;
    }
    if (waitpid(cluster->server_, nullptr, WNOHANG) == cluster->server_) {
      cluster->server_ = -1;
      break;
    }
    pause_ms(50);
  }
  return cannot("PostgreSQL did not start; see " + log.string());
}

LocalPostgres::~LocalPostgres() {
  if (server_ <= 0) return;
  kill(server_, SIGINT);  // fast shutdown: disconnects clients, writes a checkpoint
  for (int tries = 0; tries < 200; ++tries) {
    if (waitpid(server_, nullptr, WNOHANG) == server_) return;
    pause_ms(50);
  }
  kill(server_, SIGQUIT);
  wait_for(server_);
}

}  // namespace memseal::app
