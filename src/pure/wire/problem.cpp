#include "pure/wire/problem.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <utility>

namespace memseal::wire {

namespace json = boost::json;

namespace {

std::string text_of(const json::object& problem, std::string_view member) {
  const auto* value = problem.if_contains(member);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

/// `input[1]` for the JSON pointer `/input/1`; a header's name as it is.
std::string parameter_of(std::string_view field) {
  if (!field.starts_with('/')) return std::string(field);
  std::string name;
  while (!field.empty()) {
    field.remove_prefix(1);
    const auto token = field.substr(0, field.find('/'));
    field.remove_prefix(token.size());
    const bool is_index =
        !token.empty() && token.find_first_not_of("0123456789") == std::string_view::npos;
    if (is_index)
      name.append("[").append(token).append("]");
    else
      name.append(name.empty() ? "" : ".").append(token);
  }
  return name;
}

std::string_view openai_type(std::int64_t status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string_view tei_type(std::int64_t status) {
  switch (status) {
    case 429:
      return "overloaded";
    case 503:
      return "unhealthy";
    default:
      return status >= 500 ? "backend" : "validation";
  }
}

}  // namespace

void add_client_error(json::object& problem, ErrorShape shape) {
  if (shape == ErrorShape::problem) return;
  const auto parameter = parameter_of(text_of(problem, "field"));
  auto message = text_of(problem, "detail");
  if (!parameter.empty()) message = parameter + ": " + message;
  const auto status = problem.at("status").to_number<std::int64_t>();
  if (shape == ErrorShape::cohere) {
    problem["message"] = message;
  } else if (shape == ErrorShape::tei) {
    problem["error"] = message;
    problem["error_type"] = tei_type(status);
  } else {
    json::value name = nullptr;
    if (!parameter.empty()) name = json::string(parameter);
    problem["error"] = json::object{{"message", message},
                                    {"type", openai_type(status)},
                                    {"param", std::move(name)},
                                    {"code", text_of(problem, "code")}};
  }
}

std::string problem_json(const Error& error, std::string_view request_id) {
  const auto& row = errc_row(error.code);
  // Another user's resource reads like one that does not exist, and all bad tokens read alike.
  const bool for_clients = error.code == Errc::unavailable && error.field == kafka_is_away;
  const bool silent = (row.severity == Severity::error && !for_clients) ||
                      error.code == Errc::not_found || error.code == Errc::unauthenticated ||
                      error.message.empty();
  json::object problem{{"type", std::string("urn:memseal:problem:").append(row.name)},
                       {"title", row.title},
                       {"status", row.http_status},
                       {"detail", silent ? row.title : std::string_view(error.message)},
                       {"code", row.name},
                       {"request_id", request_id},
                       {"retryable", row.retryable}};
  if (!silent && !for_clients && !error.field.empty()) problem["field"] = error.field;
  return codec::compact_json(problem);
}

}  // namespace memseal::wire
