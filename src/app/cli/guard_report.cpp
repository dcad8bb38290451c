#include "app/cli/guard_report.hpp"

#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/config/text_file.hpp"
#include "pure/codec/json.hpp"

#include <boost/json/value_to.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::size_t baseline_bytes_max = 1 << 20;

json::object object_of(const policy::Guardrail& guardrail) {
  json::object object{{"name", guardrail.name},
                      {"verdict", policy::verdict_name(guardrail.verdict)},
                      {"value", guardrail.value},
                      {"limit", guardrail.limit}};
  if (guardrail.samples_min > 0) {
    object["samples"] = guardrail.samples;
    object["samples_min"] = guardrail.samples_min;
  }
  return object;
}

}  // namespace

Result<guard::Snapshot> take_snapshot(const Config& config, const ServiceOptions& service) {
  const auto answer = call_service(config, service, {.path = "/metrics"});
  if (!answer) return answer.error();
  if (answer->status != 200)
    return Error{Errc::unavailable, "/metrics answers HTTP " + std::to_string(answer->status) +
                                        "; is this the address of http.admin_listen?"};
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return guard::read_snapshot(answer->body, std::chrono::duration<double>(now).count());
}

json::array guardrails_array(const std::vector<policy::Guardrail>& guardrails) {
  json::array all;
  for (const auto& guardrail : guardrails) all.push_back(object_of(guardrail));
  return all;
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

std::string breached_names(const std::vector<policy::Guardrail>& guardrails) {
  std::string names;
  for (const auto& guardrail : guardrails)
    if (guardrail.verdict == policy::Verdict::breach)
      names += (names.empty() ? "" : ", ") + std::string(guardrail.name);
  return names;
}

Result<policy::Baseline> read_baseline(const std::string& file) {
  const auto text = read_text_file(file, baseline_bytes_max);
  if (!text) return text.error();
  const Error unusable{Errc::bad_config,
                       file + " is no report of `memseal guard check --json`", "--baseline"};
  const auto parsed = codec::parse_json(*text, Errc::bad_config);
  if (!parsed) return unusable;
  policy::Baseline baseline;
  try {
    for (const auto& one : parsed->at("guardrails").as_array()) {
      const auto* samples = one.as_object().if_contains("samples");
      if (!samples) continue;
      const auto all = json::value_to<std::uint64_t>(*samples);
      const auto bad = std::llround(json::value_to<double>(one.at("value")) *
                                    static_cast<double>(all));
      baseline[json::value_to<std::string>(one.at("name"))] = {static_cast<std::uint64_t>(bad),
                                                               all};
    }
  } catch (const std::exception&) {
    return unusable;
  }
  return baseline;
}

int guard_failed(const Error& error) {
  complain(error);
  return error.code == Errc::bad_config ? exit_usage : exit_not_ready;
}

}  // namespace memseal::app
