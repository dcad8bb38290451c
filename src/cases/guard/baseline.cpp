#include "cases/guard/baseline.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/value_to.hpp>

#include <cmath>
#include <cstdint>
#include <exception>

namespace memseal::guard {

namespace json = boost::json;

Result<policy::Baseline> parse_baseline(std::string_view text, const std::string& file) {
  const Error unusable{Errc::bad_config,
                       file + " is no report of `memseal guard check --json`", "--baseline"};
  const auto parsed = codec::parse_json(text, Errc::bad_config);
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

}  // namespace memseal::guard
