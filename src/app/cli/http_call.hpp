#pragma once
// What the commands that call a running service share: its address, the token, the failures.
#include "adapters/http_client/client.hpp"
#include "app/cli/commands.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace memseal::app {

/// The member `key` as a line for people: a string bare, a fraction with three digits, anything
/// else as JSON. Empty where it is absent or null.
std::string text_of(const boost::json::object& data, std::string_view key);

/// Sends `request` by `client`, the body of the answer to `sink` where there is one. What comes of
/// it, or why nothing does, is in `outcome`.
/// REQUIRES: all of them outlive the call.
boost::asio::awaitable<void> exchange(http_client::Client& client,
                                      const http_client::Request& request,
                                      runtime::Deadline deadline,
                                      const http_client::BodySink& sink,
                                      Result<http_client::Response>& outcome);

/// The bearer token of --token, else of --token-file, else of $MEMSEAL_TOKEN; empty if none is
/// given. Errors: bad_config (the file cannot be read or is empty, or this can be no token); the
/// message names the file or the option.
Result<std::string> read_token(const ServiceOptions& options);

/// The text that `token` claims under `name`, e.g. "sub"; empty if there is none.
/// NOTE: the signature is not checked.
std::string claim_of(std::string_view token, std::string_view name);

/// What a command asks of the service.
struct ServiceRequest {
  std::string method = "GET";
  std::string path;   ///< below the base address
  std::string token;  ///< empty: none is sent
  http_client::Headers headers;
  std::string body;
  const http_client::BodySource* source = nullptr;  ///< a large body instead
  std::size_t answer_bytes_max = std::size_t{64} << 20;
  std::chrono::seconds silence_max{30};  ///< longest silence of the service
  std::chrono::seconds total_max{120};   ///< for the whole request
};

/// The way to the service, for several requests over one connection. Thread: one at a time.
class ServiceLink {
 public:
  /// Address, CA file and token are checked before anything is sent. Error: bad_config.
  static Result<ServiceLink> open(const Config& config, const ServiceOptions& options,
                                  std::string token);
  /// Sends `request` with the token of the link. Errors: unavailable, timeout, payload_too_large,
  /// bad_request, and what ServiceRequest::source throws.
  Result<http_client::Response> call(const ServiceRequest& request,
                                     const http_client::BodySink& sink = {});
  const std::string& token() const noexcept { return token_; }
  /// Returns after `time`.
  void pause(std::chrono::milliseconds time);

 private:
  ServiceLink(std::unique_ptr<http_client::Client> client, std::string token);
  // The client's connections belong to the loop, so the loop ends last.
  std::unique_ptr<boost::asio::io_context> loop_;
  std::unique_ptr<http_client::Client> client_;
  std::string token_;
};

/// What a status that is no success means.
struct Refusal {
  Error error;
  int exit_code = 0;
  std::optional<std::chrono::seconds> retry_after;
  boost::json::object members;     ///< what --json tells of the response besides the error
  std::vector<std::string> hints;  ///< what can be done
};
/// `token`: that was sent.
Refusal refusal_of(const http_client::Response& response, const std::string& token);
/// Prints it. Returns the exit code.
int print_refusal(Refusal refusal);

/// Sends `request` to the service that `options` name, else to http.listen. A body of status 200
/// goes to `sink`, where there is one, as it arrives; `sink` returns false to stop.
/// Returns the response, or the command's exit code after the cause was printed.
/// NOTE: address, CA file and token are checked before anything is sent. A token goes over plain
/// http to this machine only, unless --insecure is given.
std::variant<http_client::Response, int> http_call(const GlobalOptions& global,
                                                   const ServiceOptions& options,
                                                   const ServiceRequest& request,
                                                   const http_client::BodySink& sink = {});

/// The same without a printed cause. Errors: bad_config (address, CA file or token), unavailable,
/// timeout, payload_too_large, bad_request.
Result<http_client::Response> call_service(const Config& config, const ServiceOptions& options,
                                           const ServiceRequest& request,
                                           const http_client::BodySink& sink = {});


}  // namespace memseal::app
