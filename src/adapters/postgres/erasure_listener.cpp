#include "adapters/postgres/erasure_listener.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/errors.hpp"
#include "adapters/postgres/internal/pooler.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/hex.hpp"
#include "runtime/log.hpp"

#include <boost/asio/post.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace memseal::postgres {

namespace {

constexpr const char* channel = "memseal.erasures";
constexpr int retry_ms = 5'000;
/// A pooler stays one until somebody changes the settings.
constexpr int pooled_retry_ms = 60'000;

Fd make_event() {
  Fd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made) throw std::system_error(errno, std::generic_category(), "eventfd");
  return made;
}

/// Empty for what is no user hash: any client of the database may send a notification.
std::optional<UserHash> hash_in(std::string_view payload) {
  const auto bytes = codec::decode_hex(payload);
  UserHash hash;
  if (!bytes || bytes->size() != hash.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

}  // namespace

ErasureListener::ErasureListener(std::string dsn, PostgresMetrics& metrics, Handlers handlers)
    : dsn_(std::move(dsn)),
      metrics_(metrics),
      handlers_(std::move(handlers)),
      stop_(make_event()) {
  asio::post(thread_, [this] { run(); });
}

ErasureListener::~ErasureListener() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

bool ErasureListener::stopped_within(int socket, int wait_ms) const {
  std::array<pollfd, 2> watched{pollfd{stop_.get(), POLLIN, 0}, pollfd{socket, POLLIN, 0}};
  ::poll(watched.data(), watched.size(), wait_ms);
  return (watched[0].revents & POLLIN) != 0;
}

// Returns when it must stop, and when there is nothing to hear. Throws when the connection is lost.
void ErasureListener::listen_once() {
  auto session = open_connection(dsn_, Access::write);
  session.set_notice_handler([](pqxx::zview) noexcept {});
  if (lends_sessions_for_transactions(session, dsn_)) {
    runtime::log(runtime::LogLevel::warn, "postgres.erasures_unheard",
                 {{"cause", "postgres.dsn leads to a pooler in transaction mode"}});
    stopped_within(-1, pooled_retry_ms);
    return;
  }
  session.listen(channel, [this](pqxx::notification told) {
    if (const auto hash = hash_in(std::string_view(told.payload))) handlers_.erased(*hash);
  });
  handlers_.missed();
  metrics_.erasures_heard.Set(1);
  const OnExit unheard([this] { metrics_.erasures_heard.Set(0); });
  do {
    session.get_notifs();
  } while (!stopped_within(session.sock(), -1));
}

void ErasureListener::run() {
  while (!stopped_within(-1, 0)) {
    try {
      listen_once();
      continue;
    } catch (const std::exception& lost) {
      runtime::log(runtime::LogLevel::warn, "postgres.erasures_unheard",
                   {{"cause", first_line(lost.what())}});
    }
    stopped_within(-1, retry_ms);
  }
}

}  // namespace memseal::postgres
