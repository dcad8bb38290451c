#pragma once
#include "base/result.hpp"

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace memseal::app {

/// A private PostgreSQL cluster, made by the installed initdb and owned by this object. The server
/// ends when this process ends, also by SIGKILL.
class LocalPostgres {
 public:
  /// How the server is reached.
  enum class Reach {
    loopback,  ///< a free loopback port, with a password
    socket,    ///< a socket in the cluster's directory, which others cannot enter; not crash-safe
  };

  /// Starts the cluster in `directory`; makes one first where there is none. The files are kept.
  /// When this process is root, the server runs as user postgres, because PostgreSQL refuses root.
  /// Blocks for some seconds.
  static Result<std::unique_ptr<LocalPostgres>> start(const std::filesystem::path& directory,
                                                      Reach reach = Reach::loopback);
  ~LocalPostgres();
  LocalPostgres(const LocalPostgres&) = delete;
  LocalPostgres& operator=(const LocalPostgres&) = delete;

  /// postgresql:// address of the owner.
  const std::string& dsn() const noexcept { return dsn_; }
  int port() const noexcept { return port_; }

 private:
  LocalPostgres() = default;
  pid_t server_ = -1;
  int port_ = 0;
  std::string dsn_;
};

/// A loopback TCP port that is free now.
int free_loopback_port();

}  // namespace memseal::app
