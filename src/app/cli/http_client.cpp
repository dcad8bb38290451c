#include "app/cli/http_client.hpp"

#include "pure/codec/url.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <cctype>
#include <optional>

namespace memseal::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Runs the one operation just started on `io` and hands back its outcome.
class Step {
 public:
  explicit Step(asio::io_context& io) : io_(io) {}
  auto handler() {
    return [this](error_code failure, auto&&...) { outcome_ = failure; };
  }
  error_code wait() {
    io_.restart();
    io_.run();
    return outcome_;
  }

 private:
  asio::io_context& io_;
  error_code outcome_;
};

Error failed(const Url& url, error_code failure) {
  const auto place = url.host + ":" + url.port;
  if (failure == beast::error::timeout)
    return {Errc::timeout, place + " did not answer in time"};
  return {Errc::unavailable, "cannot talk to " + place + ": " + failure.message() +
                                 "; is `memseal serve` running there?"};
}

beast::http::request<beast::http::string_body> to_beast(const ClientRequest& request) {
  beast::http::request<beast::http::string_body> message;
  message.method_string(request.method);
  message.target(request.url.target);
  message.version(11);
  message.set(beast::http::field::host, request.url.host + ":" + request.url.port);
  message.set(beast::http::field::user_agent, "memseal/" MEMSEAL_VERSION);
  message.set(beast::http::field::connection, "close");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  if (!request.body.empty() || request.method == "POST") message.prepare_payload();
  return message;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  static constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme))
    return Error{Errc::bad_request, "the address must begin with http://"};
  text.remove_prefix(scheme.size());
  Url url;
  const auto slash = std::min(text.find('/'), text.size());
  const auto authority = text.substr(0, slash);
  url.target = slash < text.size() ? std::string(text.substr(slash)) : "/";
  if (const auto place = codec::split_host_port(authority)) {
    url.host = place->host;
    url.port = place->port.value_or("80");
  }
  if (url.host.empty() || url.port.empty())
    return Error{Errc::bad_request, "the address lacks a host or a port"};
  return url;
}

std::string_view ClientResponse::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return {};
}

Result<ClientResponse> fetch(const ClientRequest& request,
                             const std::function<bool(std::string_view)>& on_body) {
  asio::io_context io(1);
  Step step(io);
  error_code failure;
  asio::ip::tcp::resolver resolver(io);
  const auto places = resolver.resolve(request.url.host, request.url.port, failure);
  if (failure) return failed(request.url, failure);

  beast::tcp_stream stream(io);
  stream.expires_after(request.idle_timeout);
  stream.async_connect(places, step.handler());
  if ((failure = step.wait())) return failed(request.url, failure);

  const auto message = to_beast(request);
  beast::http::async_write(stream, message, step.handler());
  if ((failure = step.wait())) return failed(request.url, failure);

  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(std::uint64_t{256} << 20);
  stream.expires_after(request.idle_timeout);
  beast::http::async_read_header(stream, buffer, parser, step.handler());
  if ((failure = step.wait())) return failed(request.url, failure);

  ClientResponse response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get())
    response.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
  while (!parser.is_done()) {
    stream.expires_after(request.idle_timeout);
    beast::http::async_read_some(stream, buffer, parser, step.handler());
    failure = step.wait();
    if (failure && failure != beast::http::error::end_of_stream)
      return failed(request.url, failure);
    auto& body = parser.get().body();
    if (on_body && response.status == 200 && !body.empty()) {
      const auto bytes = std::exchange(body, std::string());
      if (!on_body(bytes)) return response;
    }
    if (failure) break;
  }
  response.body = std::move(parser.get().body());
  return response;
}

}  // namespace memseal::http
