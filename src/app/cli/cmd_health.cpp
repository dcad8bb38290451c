#include "app/cli/http_call.hpp"

#include <cstdio>

namespace memseal::app {

int cmd_health(const GlobalOptions& global, const std::string& url) {
  http::ClientRequest request;
  request.idle_timeout = std::chrono::seconds(5);
  const auto outcome = http_call(global, url, url.empty() ? "/ready" : "", std::move(request));
  if (const auto* code = std::get_if<int>(&outcome))
    return *code == exit_failed ? exit_not_ready : *code;  // A timeout too means: not ready.
  const auto& response = std::get<http::ClientResponse>(outcome);
  std::printf("%s\n", response.body.c_str());
  return response.status == 200 ? exit_ok : exit_not_ready;
}

}  // namespace memseal::app
