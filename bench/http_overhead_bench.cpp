// http_overhead: what the server costs on top of Boost.Beast. Requests per CPU second of the
// server's thread, for an authenticated GET that is answered from memory (framing check, token,
// tenant hash, limiter, deadline, metrics), against a bare Beast server that answers with the same
// number of bytes. Each has one thread; one client asks both in turn. CPU time, because client and
// servers share the machine's cores.
#include "bench.hpp"
#include "fakes/event_sink.hpp"
#include "fakes/limiter.hpp"
#include "fakes/operations.hpp"
#include "http/routes/api.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"
#include "runtime/task_group.hpp"
#include "support/world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <pthread.h>

#include <ctime>
#include <list>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace memseal;
namespace asio = boost::asio;
namespace http_lib = boost::beast::http;
using asio::ip::tcp;

constexpr int connections = 16, rounds = 1'000, runs = 9;

asio::awaitable<void> bare_session(tcp::socket socket, std::size_t body_bytes) {
  boost::beast::flat_buffer buffer;
  const std::string body(body_bytes, 'x');
  boost::system::error_code failed;
  while (true) {
    http_lib::request<http_lib::string_body> request;
    co_await http_lib::async_read(socket, buffer, request,
                                  asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    http_lib::response<http_lib::string_body> response(http_lib::status::ok, request.version());
    response.keep_alive(request.keep_alive());
    response.body() = body;
    response.prepare_payload();
    co_await http_lib::async_write(socket, response,
                                   asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
  }
}

asio::awaitable<void> bare_accept(tcp::acceptor& acceptor, runtime::TaskGroup& tasks,
                                  std::size_t body_bytes) {
  for (int i = 0; i < connections; ++i) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    tasks.spawn(bare_session(std::move(socket), body_bytes));
  }
}

asio::awaitable<void> bare_server(tcp::acceptor& acceptor, std::size_t body_bytes) {
  runtime::TaskGroup tasks(acceptor.get_executor());
  tasks.spawn(bare_accept(acceptor, tasks, body_bytes));
  co_await tasks.join();
}

/// CPU seconds that `thread` has used so far.
double cpu_s(std::thread& thread) {
  clockid_t clock{};
  timespec time{};
  if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0) return 0;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Keeps `connections` open, and sends a request on each before it reads the answers.
class Client {
 public:
  Client(std::uint16_t port, std::string request) : request_(std::move(request)) {
    for (int i = 0; i < connections; ++i) {
      auto& socket = sockets_.emplace_back(loop_);
      socket.connect({asio::ip::address_v4::loopback(), port});
      socket.set_option(tcp::no_delay(true));
    }
    asio::write(sockets_.front(), asio::buffer(request_));
    read_answer(sockets_.front());
  }
  std::size_t body_bytes() const { return body_bytes_; }

  double requests_per_cpu_s(std::thread& server) {
    const auto before_s = cpu_s(server);
    for (int round = 0; round < rounds; ++round) {
      for (auto& socket : sockets_) asio::write(socket, asio::buffer(request_));
      for (auto& socket : sockets_) read_answer(socket);
    }
    return connections * rounds / (cpu_s(server) - before_s);
  }

 private:
  void read_answer(tcp::socket& socket) {
    // Small answers arrive in one piece; others are read to their end.
    std::size_t have = 0, need = 1;
    while (have < need) {
      have += socket.read_some(asio::buffer(bytes_.data() + have, bytes_.size() - have));
      const std::string_view text(bytes_.data(), have);
      const auto head = text.find("\r\n\r\n");
      need = have + 1;
      if (head == text.npos) continue;
      const auto length = text.find("Content-Length: ");
      body_bytes_ = std::strtoul(bytes_.data() + length + 16, nullptr, 10);
      need = head + 4 + body_bytes_;
    }
  }

  asio::io_context loop_;
  std::string request_;
  std::list<tcp::socket> sockets_;
  std::vector<char> bytes_ = std::vector<char>(16'384);
  std::size_t body_bytes_ = 0;
};

/// Our server, with ports that answer from memory.
struct Ours {
  test::World world;
  fakes::Operations operations;
  fakes::EventSink sink;
  fakes::Limiter limiter;
  http::HttpMetrics probe{world.metrics};
  crypto::TokenVerifier tokens =
      crypto::TokenVerifier::hs256(world.keyring.token_key(), {}).value();
  http::ApiDeps api{world.query, world.browse, world.inference, operations, sink, limiter, tokens,
                world.tenants, world.ids};
  asio::io_context loop{1};
  http::Server server{loop.get_executor(), options(), probe,
                      http::make_handler({.metrics = world.metrics, .api = &api})};

  static http::Options options() {
    http::Options options;
    options.port = 0;
    options.requests_per_connection_max = rounds * (runs + 2);
    return options;
  }
  std::string request() {
    const auto id = crypto::random_uuid();
    operations.known.emplace(std::pair(world.tenant("bench"), id),
                             ports::Operation{.id = id, .origin = Origin::api, .doc_id = "doc",
                                              .state = ports::OperationState::succeeded});
    const auto user = UserId::parse("bench").value();
    const auto token =
        crypto::mint_hs256(world.keyring.token_key(), user, std::time(nullptr), 3'600);
    return "GET /api/v1/operations/" + id.to_string() +
           " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token + "\r\n\r\n";
  }
};

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

int main() {
  runtime::log_setup(runtime::LogLevel::error, runtime::LogFormat::text);
  Ours ours;
  const auto request = ours.request();
  asio::co_spawn(ours.loop, ours.server.run(), rethrow);
  std::thread our_thread([&] { ours.loop.run(); });

  std::vector<double> our_rates, rival_rates, ratios;
  asio::io_context rival_loop{1};
  tcp::acceptor acceptor(rival_loop, {asio::ip::address_v4::loopback(), 0});
  std::thread rival_thread;
  {
    Client our_client(ours.server.port(), request);
    asio::co_spawn(rival_loop, bare_server(acceptor, our_client.body_bytes()), rethrow);
    rival_thread = std::thread([&] { rival_loop.run(); });
    Client rival_client(acceptor.local_endpoint().port(), request);
    for (int run = 0; run <= runs; ++run) {
      const auto our_rate = our_client.requests_per_cpu_s(our_thread);
      const auto rival_rate = rival_client.requests_per_cpu_s(rival_thread);
      if (run == 0) continue;  // warm-up
      our_rates.push_back(our_rate);
      rival_rates.push_back(rival_rate);
      ratios.push_back(our_rate / rival_rate);
    }
  }
  ours.server.begin_drain();
  our_thread.join();
  rival_thread.join();
  bench::print({.id = "http_overhead",
                .ours = bench::median(our_rates),
                .rival = bench::median(rival_rates),
                .rival_name = "bare Boost.Beast server, same answer size",
                .ratio = bench::median(ratios),
                .unit = "requests per CPU second",
                .better = "higher",
                .runs = runs});
}
