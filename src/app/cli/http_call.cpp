#include "app/cli/http_call.hpp"

#include "adapters/http_client/retry_after.hpp"
#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/listen_address.hpp"
#include "base/limits.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/crypto/secret_file.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/serialize.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>

namespace memseal::app {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

std::string environment_value(std::string_view name) {
  for (auto& [key, value] : process_environment())
    if (key == name) return value;
  return "";
}

Result<std::string> read_token_file(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Error{Errc::bad_config, "cannot read the token from " + path + ": " + why,
                 "--token-file"};
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) return refuse(std::generic_category().message(errno));
  struct stat status {};
  if (::fstat(::fileno(file.get()), &status) != 0)
    return refuse(std::generic_category().message(errno));
  if (S_ISREG(status.st_mode) &&
      crypto::others_may_use(status.st_mode & 0666, status.st_uid, ::geteuid()))
    return refuse("others may use it; run chmod 600 on it");
  std::string text(limits::token_bytes_max + 3, '\0');  // and a line end
  // A byte more than a token may have shows one that is too long, without reading a file of any
  // size.
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) return refuse(std::generic_category().message(errno));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return refuse("the file is empty");
  return text;
}

Result<codec::Url> service_url(const Config& config, const ServiceOptions& options) {
  if (options.url.empty()) {
    const auto listen = ListenAddress::parse(config.http.listen, "http.listen");
    if (!listen) return listen.error();
    if (listen->port == 0)
      return Error{Errc::bad_config, "http.listen has no fixed port; give --url", "http.listen"};
    return codec::Url::parse(listen->url());
  }
  auto url = codec::Url::parse(options.url);
  if (!url) return Error{Errc::bad_config, "--url " + url.error().message, "--url"};
  return url;
}

Result<std::unique_ptr<http_client::Client>> open_client(const Config& config,
                                                         const ServiceOptions& options,
                                                         const std::string& token) {
  auto url = service_url(config, options);
  if (!url) return url.error();
  // Whoever names an authority expects an encrypted connection, and would not notice that there is
  // none.
  if (!url->tls && !options.ca_file.empty())
    return Error{Errc::bad_config, "--ca-file is for an https:// address; see --url", "--ca-file"};
  if (!token.empty() && !url->tls && !options.insecure && !http_client::is_loopback(url->host))
    return Error{Errc::bad_config,
                 url->origin() +
                     " is plain http to another machine, which would send the token in "
                     "clear text; use https://, or add --insecure",
                 "--url"};
  http_client::ClientOptions trust{options.ca_file, "--ca-file"};
  if (url->tls && trust.ca_file.empty()) {
    trust.ca_file = environment_value("MEMSEAL_CA_FILE");
    if (!trust.ca_file.empty()) trust.ca_setting = "MEMSEAL_CA_FILE";
  }
  return http_client::Client::make(std::move(*url), std::move(trust));
}

/// What a token claims. Its signature is not checked here. Empty if it cannot be read.
json::object claims_of(std::string_view token) {
  const auto begin = token.find('.');
  const auto end = begin == token.npos ? token.npos : token.find('.', begin + 1);
  if (end == token.npos) return {};
  const auto claims =
      codec::decode_base64(token.substr(begin + 1, end - begin - 1), codec::Base64::url);
  if (!claims) return {};
  const std::string text(claims->begin(), claims->end());
  auto value = codec::parse_json(text, Errc::bad_json);
  return value && value->is_object() ? std::move(value->get_object()) : json::object();
}

/// When the token says it ends, in Unix seconds.
std::optional<std::int64_t> expiry_of(std::string_view token) {
  const auto claims = claims_of(token);
  const auto* expiry = claims.if_contains("exp");
  if (expiry == nullptr || !expiry->is_int64()) return std::nullopt;
  return expiry->get_int64();
}

/// Why a token was not accepted, as far as the token and the service's response show.
std::string why_denied(const std::string& token) {
  if (token.empty())
    return "no token was given: use --token-file FILE or $MEMSEAL_TOKEN; `memseal token mint "
           "--user NAME` makes one";
  // The service tells a caller without a valid token nothing. What the token says of itself is
  // enough for the commonest cause.
  const auto now = runtime::unix_ms() / 1'000;
  const auto expiry = expiry_of(token);
  const bool expired = expiry && *expiry < now;
  if (expired && *expiry > codec::rfc3339_ms_min / 1'000)
    return "the token expired at " + codec::format_rfc3339(*expiry * 1'000) +
           "; `memseal token mint --user NAME` makes a new one";
  return "the service does not accept this token; its log names the cause (http.unauthenticated)";
}

/// The code that the service gave, else one that fits the status.
Errc code_of(const http_client::Response& response) {
  const auto value = codec::parse_json(response.body, Errc::bad_json);
  const auto given = value && value->is_object() ? text_of(value->get_object(), "code") : "";
  // A proxy in front answers without a code of ours, and a newer service may have one that this
  // program does not know.
  if (const auto* row = find_errc(given)) return row->code;
  for (const auto& row : errc_table)
    if (row.http_status == response.status) return row.code;
  return response.status >= 500 ? Errc::unavailable : Errc::bad_request;
}

struct Detail {
  std::string sentence, field;
};

/// What the response says of itself; empty texts where it says nothing.
Detail detail_of(const http_client::Response& response) {
  const auto value = codec::parse_json(response.body, Errc::bad_json);
  if (!value || !value->is_object()) return {};
  auto detail = text_of(value->get_object(), "detail");
  if (detail.empty()) detail = text_of(value->get_object(), "title");
  auto field = text_of(value->get_object(), "field");
  if (!field.empty()) detail = field + ": " + detail;
  return {std::move(detail), std::move(field)};
}

}  // namespace

asio::awaitable<void> exchange(http_client::Client& client, const http_client::Request& request,
                               runtime::Deadline deadline, const http_client::BodySink& sink,
                               Result<http_client::Response>& outcome) {
  try {
    if (sink)
      outcome = co_await client.stream(request, deadline, sink);
    else
      outcome = co_await client.send(request, deadline);
  } catch (const Failure& failed) {
    outcome = failed.error();
  }
}

std::string text_of(const json::object& data, std::string_view key) {
  const auto* value = data.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return std::string(value->as_string());
  if (!value->is_double()) return json::serialize(*value);
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value->as_double());
  return text;
}

Result<std::string> read_token(const ServiceOptions& options) {
  std::string token = options.token, origin = "--token";
  if (token.empty() && !options.token_file.empty()) {
    auto content = read_token_file(options.token_file);
    if (!content) return content.error();
    token = std::move(*content);
    origin = options.token_file;
  } else if (token.empty()) {
    token = environment_value("MEMSEAL_TOKEN");
    origin = "MEMSEAL_TOKEN";
  }
  constexpr const char* blanks = " \t\r\n";
  token.erase(token.find_last_not_of(blanks) + 1);
  token.erase(0, token.find_first_not_of(blanks));
  // The text becomes part of a header line, where a line break would begin another header.
  const bool visible =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!visible || token.size() > limits::token_bytes_max)
    return Error{Errc::bad_config,
                 origin + " holds no token: a token is one word of at most " +
                     std::to_string(limits::token_bytes_max) + " visible characters",
                 "--token"};
  return token;
}

std::string claim_of(std::string_view token, std::string_view name) {
  return text_of(claims_of(token), name);
}

ServiceLink::ServiceLink(std::unique_ptr<http_client::Client> client, std::string token)
    : loop_(std::make_unique<asio::io_context>(1)),
      client_(std::move(client)),
      token_(std::move(token)) {}

Result<ServiceLink> ServiceLink::open(const Config& config, const ServiceOptions& options,
                                      std::string token) {
  auto client = open_client(config, options, token);
  if (!client) return client.error();
  return ServiceLink(std::move(*client), std::move(token));
}

Result<http_client::Response> ServiceLink::call(const ServiceRequest& request,
                                                const http_client::BodySink& sink) {
  http_client::Request sent{.method = request.method,
                            .path = request.path,
                            .headers = request.headers,
                            .body = request.body,
                            .source = request.source,
                            .body_bytes_max = request.answer_bytes_max,
                            .connect_timeout = std::min(request.silence_max, request.total_max),
                            .idle_timeout = request.silence_max};
  // In the header alone: an address lands in logs.
  if (!token_.empty()) sent.headers.emplace_back("Authorization", "Bearer " + token_);
  bool began = false;
  http_client::BodySink watched;
  if (sink)
    watched = [&](std::string_view piece) {
      began = true;
      return sink(piece);
    };
  Result<http_client::Response> outcome = Error{Errc::internal, "the request did not end"};
  {
    runtime::TaskGroup group(loop_->get_executor());
    const auto deadline = runtime::Deadline::after(request.total_max);
    group.spawn(exchange(*client_, sent, deadline, watched, outcome));
    loop_->restart();
    loop_->run();
  }
  if (outcome) return outcome;
  auto error = outcome.error();
  if (error.code == Errc::unavailable)
    // A stream that began was answered, so the service is there.
    error.message += began ? "; ask again" : "; is `memseal serve` running there?";
  return error;
}

void ServiceLink::pause(std::chrono::milliseconds time) {
  runtime::TaskGroup group(loop_->get_executor());
  group.spawn(runtime::pause_for(time));
  loop_->restart();
  loop_->run();
}

Result<http_client::Response> call_service(const Config& config, const ServiceOptions& options,
                                           const ServiceRequest& request,
                                           const http_client::BodySink& sink) {
  auto link = ServiceLink::open(config, options, request.token);
  if (!link) return link.error();
  return link->call(request, sink);
}

std::variant<http_client::Response, int> http_call(const GlobalOptions& global,
                                                   const ServiceOptions& options,
                                                   const ServiceRequest& request,
                                                   const http_client::BodySink& sink) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  auto outcome = call_service(*config, options, request, sink);
  if (outcome) return std::move(*outcome);
  complain(outcome.error());
  const auto code = outcome.error().code;
  if (code == Errc::bad_config) return exit_usage;
  return code == Errc::unavailable ? exit_not_ready : exit_failed;
}

Refusal refusal_of(const http_client::Response& response, const std::string& token) {
  const auto [detail, field] = detail_of(response);
  Refusal refusal{{code_of(response),
                   one_line("HTTP " + std::to_string(response.status) +
                                (detail.empty()
                                     ? ", without an explanation; is this the address of memseal?"
                                     : ": " + detail),
                            500),
                   one_line(field, 100)},
                  exit_failed,
                  {},
                  {{"status", response.status}},
                  {}};
  if (const auto wait = http_client::parse_retry_after(response.header("retry-after")))
    refusal.retry_after = std::chrono::duration_cast<std::chrono::seconds>(*wait);
  if (response.status == 401 || response.status == 403) refusal.exit_code = exit_denied;
  if (response.status == 404) refusal.exit_code = exit_not_found;
  if (response.status == 503) refusal.exit_code = exit_not_ready;
  auto& hints = refusal.hints;
  if (response.status == 401) hints.push_back(why_denied(token));
  if (const auto place = response.header("location"); response.status / 100 == 3 && !place.empty())
    hints.push_back(one_line(
        "the service is at " + std::string(place) + "; redirects are not followed", 500));
  if (refusal.retry_after) {
    const auto wait_s = refusal.retry_after->count();
    refusal.members["retry_after_s"] = wait_s;
    hints.push_back("try again in " + std::to_string(wait_s) + " s");
  }
  return refusal;
}

int print_refusal(Refusal refusal) {
  complain(refusal.error, std::move(refusal.members));
  for (const auto& sentence : refusal.hints) hint(sentence);
  return refusal.exit_code;
}

}  // namespace memseal::app
