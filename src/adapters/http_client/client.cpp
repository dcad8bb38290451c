#include "adapters/http_client/client.hpp"

#include "adapters/http_client/internal/connection.hpp"
#include "adapters/http_client/internal/tls.hpp"
#include "pure/codec/utf8.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <mutex>
#include <optional>

namespace memseal::http_client {

namespace {

constexpr std::size_t idle_per_executor_max = 2;

/// A line break in a field would begin another field, or another request.
void check_head(const Request& request) {
  bool sound = !codec::has_control(request.method) && !codec::has_control(request.path) &&
               request.path.find(' ') == std::string::npos;
  for (const auto& [name, value] : request.headers)
    sound = sound && !codec::has_control(name) && !codec::has_control(value);
  if (!sound)
    throw Refused({Errc::bad_request, "the request's path or a header holds a control character"});
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (field == name) return value;
  return {};
}

struct Client::Impl {
  explicit Impl(Destination destination) : to(std::move(destination)) {}

  asio::awaitable<Response> request(const Request& request, runtime::Deadline deadline,
                                    const BodySink* sink);
  std::unique_ptr<Connection> take_idle(const asio::any_io_executor& executor);
  void keep_idle(const asio::any_io_executor& executor, std::unique_ptr<Connection> connection);

  Destination to;

  // The connections refer to `to`, so they stand below it and end first.
  struct Idle {
    asio::any_io_executor executor;  ///< a connection stays with the loop that made it
    std::unique_ptr<Connection> connection;
  };
  std::mutex guard;
  std::vector<Idle> idle;
};

asio::awaitable<Response> Client::Impl::request(const Request& request, runtime::Deadline deadline,
                                                const BodySink* sink) {
  check_head(request);
  const auto executor = co_await asio::this_coro::executor;
  auto connection = take_idle(executor);
  std::optional<Response> response;
  if (connection) {
    try {
      response = co_await connection->exchange(request, deadline, sink);
    } catch (const Failure& failed) {
      // The service closed the connection while it was idle: a fresh one follows.
      // Once a response has begun, the service has acted on the request, so it is not sent again.
      if (failed.error().code != Errc::unavailable || connection->response_began()) throw;
    }
  }
  if (!response) {
    connection = make_connection(executor, to);
    co_await connection->open(deadline.within(request.connect_timeout));
    response = co_await connection->exchange(request, deadline, sink);
  }
  // An exception skips this, so a connection in an unknown state is closed.
  if (connection->reusable()) keep_idle(executor, std::move(connection));
  co_return std::move(*response);
}

std::unique_ptr<Connection> Client::Impl::take_idle(const asio::any_io_executor& executor) {
  const std::lock_guard lock(guard);
  const auto found = std::find_if(idle.begin(), idle.end(),
                                  [&](const Idle& one) { return one.executor == executor; });
  if (found == idle.end()) return nullptr;
  auto connection = std::move(found->connection);
  idle.erase(found);
  return connection;
}

void Client::Impl::keep_idle(const asio::any_io_executor& executor,
                             std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(guard);
  const auto here = std::count_if(idle.begin(), idle.end(),
                                  [&](const Idle& one) { return one.executor == executor; });
  if (static_cast<std::size_t>(here) < idle_per_executor_max)
    idle.push_back({executor, std::move(connection)});
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::make(Url url, ClientOptions options) {
  auto tls = make_tls_context(options, url.tls);
  if (!tls) return tls.error();
  std::optional<Url> proxy;
  if (!options.proxy.empty()) {
    auto parsed = Url::parse(options.proxy);
    if (!parsed || parsed->tls)
      return Error{Errc::bad_config,
                   "the proxy " + (parsed ? "must begin with http://" : parsed.error().message),
                   "proxy"};
    proxy = std::move(*parsed);
  }
  Destination to{std::move(url), std::move(options.ca_setting), std::move(*tls), std::move(proxy)};
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(std::move(to))));
}

asio::awaitable<Response> Client::send(const Request& request, runtime::Deadline deadline) {
  return impl_->request(request, deadline, nullptr);
}

asio::awaitable<Response> Client::stream(const Request& request, runtime::Deadline deadline,
                                         const BodySink& sink) {
  return impl_->request(request, deadline, &sink);
}

const Url& Client::url() const noexcept { return impl_->to.url; }

void Client::close_idle() {
  const std::lock_guard lock(impl_->guard);
  impl_->idle.clear();
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  return !not_an_address && address.is_loopback();
}

}  // namespace memseal::http_client
