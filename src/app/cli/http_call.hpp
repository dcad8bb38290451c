#pragma once
// What the commands that talk to a running service share: address, token, failures.
#include "app/cli/commands.hpp"
#include "app/cli/http_client.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace memseal::app {

/// The member `key` as a line for people: a string bare, a fraction with three digits, anything
/// else as JSON. Empty where it is absent or null.
std::string text_of(const boost::json::object& data, std::string_view key);

/// The bearer token of --token, else of --token-file, else of $MEMSEAL_TOKEN.
std::string read_token(const QueryOptions& options);

/// Sends `request` to `path` below `base`, or below http.listen where `base` is empty. A body with
/// status 200 goes to `on_body` piece by piece where that is given; it returns false to stop.
/// Returns the response, or the command's exit code: a failure to connect, a bad address and a bad
/// configuration have been printed.
std::variant<http::ClientResponse, int> http_call(
    const GlobalOptions& global, const std::string& base, std::string_view path,
    http::ClientRequest request, const std::function<bool(std::string_view)>& on_body = {});

/// Prints what a status other than 200 says, and returns the exit code for it.
int print_refusal(const http::ClientResponse& response);

}  // namespace memseal::app
