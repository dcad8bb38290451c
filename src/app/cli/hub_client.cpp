#include "app/cli/hub_client.hpp"

#include "app/cli/http_call.hpp"
#include "app/config/config.hpp"
#include "pure/codec/ascii.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <charconv>
#include <tuple>
#include <utility>

namespace memseal::app {

namespace asio = boost::asio;

namespace {

constexpr int redirects_max = 8;
constexpr std::size_t file_bytes_max = std::size_t{16} << 30;
constexpr std::chrono::hours file_time_max{12};
constexpr std::chrono::seconds silence_max{60};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// "https://host:port" and "/path?query" of an absolute URL; the same origin for a path alone.
std::pair<std::string, std::string> taken_apart(const std::string& place,
                                                const std::string& origin) {
  if (place.starts_with('/') && !place.starts_with("//")) return {origin, place};
  const auto scheme = place.find("://");
  if (scheme == place.npos) return {"", ""};
  const auto slash = place.find_first_of("/?", scheme + 3);
  if (slash == place.npos) return {place, "/"};
  return {place.substr(0, slash), (place[slash] == '?' ? "/" : "") + place.substr(slash)};
}

std::string without_quotes(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

}  // namespace

std::string hub_environment(std::string_view name) {
  for (auto& [key, value] : process_environment())
    if (key == name) return value;
  return "";
}

std::string proxy_of(const http_client::Url& url) {
  // What is for this machine would leave it, and a token over plain http with it.
  if (http_client::is_loopback(url.host)) return "";
  const auto either = [](const char* upper) {
    auto value = hub_environment(upper);
    return value.empty() ? hub_environment(codec::ascii_lower(upper)) : value;
  };
  std::string not_for = either("NO_PROXY") + ",";
  for (std::size_t comma; (comma = not_for.find(',')) != not_for.npos;
       not_for.erase(0, comma + 1)) {
    auto name = not_for.substr(0, comma);
    name.erase(0, name.find_first_not_of(" ."));
    if (name.empty()) continue;
    if (name == "*" || url.host == name || url.host.ends_with("." + name)) return "";
  }
  // HTTP_PROXY in capitals is not read: a web server would set it from a request's header "Proxy".
  const auto own = url.tls ? either("HTTPS_PROXY") : hub_environment("http_proxy");
  return own.empty() ? either("ALL_PROXY") : own;
}

HubClient::HubClient(http_client::Url endpoint, std::string token)
    : endpoint_(std::move(endpoint)),
      token_(std::move(token)),
      loop_(std::make_unique<asio::io_context>(1)) {}

Result<HubClient> HubClient::open(const std::string& endpoint, std::string token) {
  auto url = http_client::Url::parse(endpoint);
  if (!url) return Error{Errc::bad_config, "HF_ENDPOINT " + url.error().message, "HF_ENDPOINT"};
  if (!token.empty() && !url->tls && !http_client::is_loopback(url->host))
    return Error{Errc::bad_config,
                 url->origin() +
                     " is plain http to another machine, which would send the token in "
                     "clear text; use https://, or no token",
                 "HF_ENDPOINT"};
  return HubClient(std::move(*url), std::move(token));
}

void HubClient::pause(std::chrono::milliseconds time) {
  runtime::TaskGroup group(loop_->get_executor());
  group.spawn(runtime::pause_for(time));
  loop_->restart();
  loop_->run();
}

Result<http_client::Client*> HubClient::client_of(const std::string& origin) {
  auto url = http_client::Url::parse(origin);
  if (!url)
    return Error{Errc::model_invalid, "the hub sends to an address that " + url.error().message};
  auto& client = clients_[url->origin()];
  if (!client) {
    http_client::ClientOptions options;
    options.ca_file = url->tls ? hub_environment("MEMSEAL_CA_FILE") : "";
    options.ca_setting = "MEMSEAL_CA_FILE";
    options.proxy = proxy_of(*url);
    auto made = http_client::Client::make(*url, std::move(options));
    if (!made) return made.error();
    client = std::move(*made);
  }
  return client.get();
}

Result<HubClient::Answer> HubClient::get(const std::string& path,
                                         const http_client::Headers& headers,
                                         std::function<bool(const http_client::Response&)> began,
                                         const http_client::BodySink& sink) {
  Answer answer;
  auto origin = endpoint_.origin();
  http_client::Request request{.path = endpoint_.path + path,
                               .headers = headers,
                               .body_bytes_max = sink ? file_bytes_max : std::size_t{16} << 20,
                               .connect_timeout = std::chrono::seconds(15),
                               .idle_timeout = silence_max,
                               .began = std::move(began)};
  for (int hop = 0; hop <= redirects_max; ++hop) {
    const auto client = client_of(origin);
    if (!client) return client.error();
    request.headers = headers;
    // The hub sends to hosts of other owners, which must not learn the token.
    if (!token_.empty() && (*client)->url().origin() == endpoint_.origin())
      request.headers.emplace_back("Authorization", "Bearer " + token_);
    Result<http_client::Response> outcome = Error{Errc::internal, "the request did not end"};
    {
      runtime::TaskGroup group(loop_->get_executor());
      const auto deadline = runtime::Deadline::after(file_time_max);
      group.spawn(exchange(**client, request, deadline, sink, outcome));
      loop_->restart();
      loop_->run();
    }
    if (!outcome) return outcome.error();
    const auto linked = outcome->header("x-linked-etag"), size = outcome->header("x-linked-size");
    if (answer.linked_etag.empty() && !linked.empty()) {
      answer.linked_etag = without_quotes(linked);
      std::from_chars(size.data(), size.data() + size.size(), answer.linked_size);
    }
    // Other hosts name their copies by rules of their own.
    if (answer.etag.empty() && (*client)->url().origin() == endpoint_.origin())
      answer.etag = without_quotes(outcome->header("etag"));
    const std::string place(outcome->header("location"));
    if (!is_redirect(outcome->status) || place.empty()) {
      answer.response = std::move(*outcome);
      return answer;
    }
    const bool was_tls = (*client)->url().tls;
    std::tie(origin, request.path) = taken_apart(place, (*client)->url().origin());
    // Once encrypted, a download must not go on in the clear, where anybody on the way could
    // replace it.
    if (origin.empty() || (was_tls && !origin.starts_with("https://")))
      return Error{Errc::model_invalid, "the hub sends to an address that is not https"};
  }
  return Error{Errc::model_invalid, "the hub sends from one address to the next without end"};
}

}  // namespace memseal::app
