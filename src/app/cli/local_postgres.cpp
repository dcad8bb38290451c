#include "app/cli/local_postgres.hpp"

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

Result<std::string> make_cluster(const fs::path& programs, const fs::path& directory,
                                 Account account) {
  const auto password_file = directory / "password";
  const auto password = random_password();
  {
    const int out = open(password_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0 || write(out, password.data(), password.size()) != ssize_t(password.size()))
      return cannot("cannot write " + password_file.string());
    close(out);
  }
  if (geteuid() == 0 && (chown(directory.c_str(), account.user, account.group) != 0 ||
                         chown(password_file.c_str(), account.user, account.group) != 0))
    return cannot("cannot hand " + directory.string() + " to user postgres");
  const auto log = directory / "initdb.log";
  const std::vector<std::string> words{(programs / "initdb").string(),
                                       "-D",
                                       (directory / "data").string(),
                                       "-U",
                                       "memseal_dev",
                                       "--auth=scram-sha-256",
                                       "--pwfile=" + password_file.string(),
                                       "--encoding=UTF8",
                                       "--locale=C.UTF-8",
                                       "--no-sync"};
  if (wait_for(spawn(words, account, log, directory)) != 0)
    return cannot("initdb failed; see " + log.string());
  return password;
}

bool accepts_connections(int port) {
  const int link = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool open_now = connect(link, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0;
  close(link);
  return open_now;
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

Result<std::unique_ptr<LocalPostgres>> LocalPostgres::start(const fs::path& directory) {
  const auto programs = find_server_programs();
  if (!programs)
    return cannot(
        "no PostgreSQL server is installed: install PostgreSQL and pgvector, or give --pg with "
        "the address of a database");
  const auto account = server_account();
  if (!account) return cannot("PostgreSQL does not run as root, and there is no user postgres");

  std::string password;
  if (fs::exists(directory / "data/PG_VERSION")) {
    std::ifstream(directory / "password") >> password;
  } else {
    auto made = make_cluster(*programs, directory, *account);
    if (!made) return made.error();
    password = *made;
  }
  std::unique_ptr<LocalPostgres> cluster(new LocalPostgres);
  cluster->port_ = free_loopback_port();
  const auto log = directory / "postgres.log";
  const std::vector<std::string> words{(*programs / "postgres").string(),
                                       "-D",
                                       (directory / "data").string(),
                                       "-p",
                                       std::to_string(cluster->port_),
                                       "-h",
                                       "127.0.0.1",
                                       "-c",
                                       "unix_socket_directories=",
                                       "-c",
                                       "jit=off",
                                       "-c",
                                       "max_connections=50"};
  cluster->server_ = spawn(words, *account, log, directory);
  for (int tries = 0; tries < 300; ++tries) {
    if (accepts_connections(cluster->port_)) {
      cluster->dsn_ = "postgresql://memseal_dev:" + password +
                      "@127.0.0.1:" + std::to_string(cluster->port_) + "/postgres";
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
