#include "app/cli/guard_report.hpp"

#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/config/listen_address.hpp"
#include "app/config/text_file.hpp"
#include "cases/guard/baseline.hpp"

#include <chrono>
#include <cstdio>

namespace memseal::app {

namespace {

constexpr std::size_t baseline_bytes_max = 1 << 20;

}  // namespace

Result<ServiceOptions> admin_service(const Config& config, ServiceOptions service) {
  if (!service.url.empty()) return service;
  constexpr const char* key = "http.admin_listen";
  if (config.http.admin_listen == http::admin_listen_off)
    return Error{Errc::bad_config, "http.admin_listen is off; give --url", key};
  const auto listen = ListenAddress::parse(config.http.admin_listen, key);
  if (!listen) return listen.error();
  if (listen->port == 0)
    return Error{Errc::bad_config, "http.admin_listen has no fixed port; give --url", key};
  service.url = listen->url();
  return service;
}

Result<guard::Snapshot> take_snapshot(const Config& config, const ServiceOptions& service) {
  const auto at = admin_service(config, service);
  if (!at) return at.error();
  const auto answer = call_service(config, *at, {.path = "/metrics"});
  if (!answer) return answer.error();
  if (answer->status != 200)
    return Error{Errc::unavailable, "/metrics answers HTTP " + std::to_string(answer->status) +
                                        "; is this the address of http.admin_listen?"};
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return guard::read_snapshot(answer->body, std::chrono::duration<double>(now).count());
}

std::string breached_names(const std::vector<policy::Guardrail>& guardrails) {
  std::string names;
  for (const auto& guardrail : guardrails)
    if (guardrail.verdict == policy::Verdict::breach)
      names += (names.empty() ? "" : ", ") + std::string(guardrail.name);
  return names;
}

void print_guardrail(const policy::Guardrail& guardrail) {
  const std::string name(guardrail.name), verdict(policy::verdict_name(guardrail.verdict));
  std::printf("%-12s %-20s %.4f (limit %.4f)", verdict.c_str(), name.c_str(), guardrail.value,
              guardrail.limit);
  if (guardrail.samples_min > 0)
    std::printf(", %llu samples of %llu", static_cast<unsigned long long>(guardrail.samples),
                static_cast<unsigned long long>(guardrail.samples_min));
  std::printf("\n");
}

Result<policy::Baseline> read_baseline(const std::string& file) {
  const auto text = read_text_file(file, baseline_bytes_max);
  if (!text) return text.error();
  return guard::parse_baseline(*text, file);
}

int guard_failed(const Error& error) {
  complain(error);
  return error.code == Errc::bad_config ? exit_usage : exit_not_ready;
}

}  // namespace memseal::app
