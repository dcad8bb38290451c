#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <cstdio>

namespace memseal::app {

int cmd_health(const GlobalOptions& global, const ServiceOptions& options) {
  // The full address of a health route is asked as it is; any other address is the service's base.
  std::string_view address = options.url;
  while (address.ends_with('/')) address.remove_suffix(1);
  const bool full = address.ends_with("/ready") || address.ends_with("/health");
  ServiceRequest request;
  request.path = full ? "" : "/ready";
  request.silence_max = request.total_max = std::chrono::seconds(5);
  const auto outcome = http_call(global, options, request);
  if (const auto* code = std::get_if<int>(&outcome))
    return *code == exit_failed ? exit_not_ready : *code;  // Not ready in time is not ready.
  const auto& response = std::get<http_client::Response>(outcome);
  const bool ready = response.status == 200;
  if (!global.json) {
    std::printf("%s\n", escape_controls(response.body).c_str());
    return ready ? exit_ok : exit_not_ready;
  }
  const auto body = codec::parse_json(response.body, Errc::bad_json);
  auto report = body && body->is_object() ? body->get_object()
                                          : boost::json::object{{"body", response.body}};
  if (!ready)
    return print_failed_report(std::move(report), {Errc::unavailable, "the service is not ready"},
                               exit_not_ready);
  print_json(report);
  return exit_ok;
}

}  // namespace memseal::app
