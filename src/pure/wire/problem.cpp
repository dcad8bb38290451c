#include "pure/wire/problem.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

namespace memseal::wire {

namespace json = boost::json;

std::string problem_json(const Error& error, std::string_view request_id) {
  const auto& row = errc_row(error.code);
  // Another user's resource reads like one that does not exist, and all bad tokens read alike.
  const bool silent = row.severity == Severity::error || error.code == Errc::not_found ||
                      error.code == Errc::unauthenticated || error.message.empty();
  json::object problem{{"type", std::string("urn:memseal:problem:").append(row.name)},
                       {"title", row.title},
                       {"status", row.http_status},
                       {"detail", silent ? row.title : std::string_view(error.message)},
                       {"code", row.name},
                       {"request_id", request_id},
                       {"retryable", row.retryable}};
  if (!silent && !error.field.empty()) problem["field"] = error.field;
  return codec::compact_json(problem);
}

}  // namespace memseal::wire
