#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"

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
  if (!global.json) std::printf("%s\n", escape_controls(response.body).c_str());
  auto report = object_in(response).value_or(boost::json::object{{"body", response.body}});
  std::optional<Error> fault;
  if (response.status != 200) fault = {Errc::unavailable, "the service is not ready"};
  return finish_report(global, std::move(report), fault, exit_not_ready);
}

}  // namespace memseal::app
