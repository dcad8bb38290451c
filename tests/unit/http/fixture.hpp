#pragma once
// A whole server on a loopback port, over fakes.
#include "fakes/event_sink.hpp"
#include "fakes/limiter.hpp"
#include "fakes/operations.hpp"
#include "http/routes/router.hpp"
#include "support/world.hpp"
#include "unit/http/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <ctime>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace memseal::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options.port = 0;
    options.tick = 10ms;
  }
  ~ServerTest() override { stop(); }

  void start() {
    server = std::make_unique<http::Server>(loop.get_executor(), options, probe, handler());
    asio::co_spawn(loop, server->run(), [this](std::exception_ptr thrown) { failure = thrown; });
    thread = std::thread([this] { loop.run(); });
  }
  http::RouteDeps deps() {
    return {.metrics = world.metrics,
            .api = serve_api ? &api : nullptr,
            .admin = serve_admin,
            .admin_token = admin_token,
            .cors_origins = cors_origins,
            .readiness = readiness,
            .switch_rerank = switch_rerank,
            .guard_state = guard_state,
            .order_guard = order_guard,
            .start_page = start_page,
            .audit = auditor};
  }
  http::Handler handler() { return http::make_handler(deps(), routes); }
  /// Drains and waits until the server has ended by itself.
  void stop() {
    if (!thread.joinable()) return;
    server->begin_drain();
    thread.join();
    EXPECT_FALSE(failure);
  }
  Client connect() { return Client(server->port()); }

  /// Runs `look` on the server's thread, where the fakes live.
  template <class Look>
  auto on_loop(Look look) {
    using R = decltype(look());
    if constexpr (std::is_void_v<R>) {
      on_loop_run(look);
    } else {
      std::optional<R> seen;
      on_loop_run([&] { seen.emplace(look()); });
      return std::move(*seen);
    }
  }
  void on_loop_run(const std::function<void()>& look) {
    std::promise<void> done;
    asio::post(loop, [&] {
      try {
        look();
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    done.get_future().get();
  }
  /// Waits until `holds` on the server's thread.
  bool eventually(std::function<bool()> holds) {
    for (int i = 0; i < 500; ++i) {
      if (on_loop(holds)) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  std::string token(const std::string& user, std::int64_t lifetime_s = 3'600) {
    return crypto::mint_hs256(world.keyring.token_key(), UserId::parse(user).value(),
                              std::time(nullptr), lifetime_s);
  }
  std::string head(const std::string& line, const std::string& user = "ada",
                   const std::string& more = {}) {
    return line + " HTTP/1.1\r\nHost: memseal\r\nAuthorization: Bearer " + token(user) + "\r\n" +
           more;
  }
  std::string post(const std::string& path, const std::string& body,
                   const std::string& more = {}, const std::string& user = "ada") {
    return head("POST " + path, user, more) + "Content-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  /// An operator's.
  std::string order(const std::string& path) {
    return "POST " + path + " HTTP/1.1\r\nHost: memseal\r\nAuthorization: Bearer " + admin_token +
           "\r\nContent-Length: 0\r\n\r\n";
  }

  std::string get(const std::string& path) { return head("GET " + path) + "\r\n"; }
  Answer ask(const std::string& request) {
    auto client = connect();
    client.say(request);
    return client.answer();
  }

  test::World world;
  fakes::Operations operations;
  fakes::EventSink sink;
  fakes::Limiter limiter;
  http::HttpMetrics probe{world.metrics};
  crypto::TokenVerifier tokens =
      crypto::TokenVerifier::hs256(world.keyring.token_key(), {}).value();
  http::ApiDeps api{world.query, world.browse, world.inference, operations, sink, limiter, tokens,
                world.tenants, world.ids};
  http::Options options;
  bool serve_api = true, serve_admin = true;
  std::string admin_token = "an-operators-token-of-32-characters";
  std::vector<std::string> cors_origins;
  std::span<const http::Route> routes = http::product_routes();
  std::function<std::vector<http::Check>()> readiness;
  std::function<void(bool)> switch_rerank;
  std::function<std::string()> guard_state;
  std::function<bool(http::GuardOrder, std::string_view)> order_guard;
  std::function<std::string()> start_page;
  auditing::Auditor* auditor = nullptr;
  asio::io_context loop{1};
  std::unique_ptr<http::Server> server;
  std::thread thread;
  std::exception_ptr failure;
};

inline const std::string query_path = "/api/v1/memory/query";
inline const std::string index_path = "/api/v1/memory/index";
inline const std::string question = R"({"query":"where is it?"})";

}  // namespace memseal::test
