#include "pure/trace/options.hpp"

#include "pure/codec/ascii.hpp"
#include "pure/codec/url.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

namespace memseal::trace {

namespace {

using codec::trimmed;
using std::chrono::milliseconds;

constexpr std::string_view default_endpoint = "http://localhost:4318", default_path = "/v1/traces";
constexpr std::string_view default_name = "memseal";
constexpr std::int64_t number_max = 1'000'000;

class Reading {
 public:
  explicit Reading(std::span<const std::pair<std::string, std::string>> environment) {
    for (const auto& [name, value] : environment)
      if (name.starts_with("OTEL_") && !trimmed(value).empty())
        values_[name] = std::string(trimmed(value));
  }

  OptionsRead run() {
    auto& options = read_.options;
    options.enabled = is_wanted() && endpoint() && protocol();
    if (!options.enabled) return std::move(read_);
    options.headers = list(exporter_name("HEADERS"));
    options.ca_file = exporter("CERTIFICATE").value_or("");
    options.attempt_timeout =
        milliseconds(number(exporter_name("TIMEOUT"), options.attempt_timeout.count()));
    options.queue_max = count("OTEL_BSP_MAX_QUEUE_SIZE", options.queue_max);
    options.batch_max = count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", options.batch_max);
    options.batch_max = std::min(options.batch_max, options.queue_max);
    options.delay = milliseconds(number("OTEL_BSP_SCHEDULE_DELAY", options.delay.count()));
    options.export_timeout =
        milliseconds(number("OTEL_BSP_EXPORT_TIMEOUT", options.export_timeout.count()));
    sampler();
    propagators();
    resource();
    unsupported();
    return std::move(read_);
  }

 private:
  using Pairs = Options::Pairs;

  std::optional<std::string> value(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  /// The name of a variable of the exporter that is set: that of traces before the common one.
  std::string exporter_name(const std::string& name) const {
    auto own = "OTEL_EXPORTER_OTLP_TRACES_" + name;
    return values_.contains(own) ? own : "OTEL_EXPORTER_OTLP_" + name;
  }
  std::optional<std::string> exporter(const std::string& name) const {
    return value(exporter_name(name));
  }

  void warn(std::string sentence) { read_.warnings.push_back(std::move(sentence)); }

  std::int64_t number(const std::string& name, std::int64_t otherwise) {
    const auto text = value(name);
    if (!text) return otherwise;
    std::int64_t parsed = 0;
    const auto* end = text->data() + text->size();
    const auto [stop, failed] = std::from_chars(text->data(), end, parsed);
    if (failed == std::errc{} && stop == end && parsed >= 1 && parsed <= number_max) return parsed;
    warn(name + " must be a whole number from 1 to " + std::to_string(number_max) + "; " +
         std::to_string(otherwise) + " is used");
    return otherwise;
  }
  std::size_t count(const std::string& name, std::size_t otherwise) {
    return static_cast<std::size_t>(number(name, static_cast<std::int64_t>(otherwise)));
  }

  /// Nothing is exported unless an endpoint or the exporter is named: a process that nobody asked
  /// to trace must not send to localhost.
  bool is_wanted() {
    const auto disabled = value("OTEL_SDK_DISABLED");
    if (disabled && codec::equal_ignoring_case(*disabled, "true")) return false;
    const auto named = value("OTEL_TRACES_EXPORTER");
    if (named && *named != "otlp" && *named != "none")
      warn("OTEL_TRACES_EXPORTER must be otlp or none; no traces are exported");
    if (named) return *named == "otlp";
    return exporter("ENDPOINT").has_value();
  }

  bool endpoint() {
    auto& options = read_.options;
    const auto name = exporter_name("ENDPOINT");
    const bool is_own = name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    options.endpoint = value(name).value_or(std::string(default_endpoint));
    const auto url = codec::Url::parse(options.endpoint);
    if (!url) {
      warn(name + " " + url.error().message + "; no traces are exported");
      return false;
    }
    // The endpoint of traces is taken as it is; the common one is the base of all signals.
    options.path = is_own ? (url->path.empty() ? "/" : "") : std::string(default_path);
    return true;
  }

  bool protocol() {
    const auto name = exporter_name("PROTOCOL");
    const auto wanted = value(name);
    if (!wanted || *wanted == "http/protobuf") return true;
    warn(name + " must be http/protobuf, which is the only one here; no traces are exported");
    return false;
  }

  /// "name=value,name=value", values percent-encoded (W3C Baggage without properties).
  Pairs list(const std::string& name) {
    Pairs pairs;
    const auto text = value(name);
    if (!text) return pairs;
    std::string_view rest = *text;
    for (bool more = true; more;) {
      const auto comma = rest.find(',');
      more = comma != std::string_view::npos;
      const auto member = trimmed(rest.substr(0, comma));
      if (more) rest.remove_prefix(comma + 1);
      if (member.empty()) continue;
      const auto equals = member.find('=');
      const auto key = trimmed(member.substr(0, equals));
      const auto decoded = equals == std::string_view::npos
                               ? std::nullopt
                               : codec::percent_decode(trimmed(member.substr(equals + 1)));
      const bool sound = !key.empty() && decoded && codec::is_utf8(*decoded) &&
                         !codec::has_control(*decoded);
      if (!sound) {
        // The whole list, because a part of it would be a guess.
        warn(name + " must be name=value,name=value with percent-encoded values; it is ignored");
        return {};
      }
      pairs.emplace_back(std::string(key), *decoded);
    }
    return pairs;
  }

  void sampler() {
    struct Row {
      std::string_view name;
      double ratio;
      bool follows_parent, takes_ratio;
    };
    constexpr std::array rows{Row{"always_on", 1, false, false},
                              Row{"always_off", 0, false, false},
                              Row{"traceidratio", 1, false, true},
                              Row{"parentbased_always_on", 1, true, false},
                              Row{"parentbased_always_off", 0, true, false},
                              Row{"parentbased_traceidratio", 1, true, true}};
    const auto name = value("OTEL_TRACES_SAMPLER");
    if (!name) return;
    const auto row = std::ranges::find(rows, std::string_view(*name), &Row::name);
    if (row == rows.end())
      return warn("OTEL_TRACES_SAMPLER names no sampler; parentbased_always_on is used");
    read_.options.sampler = {row->takes_ratio ? ratio() : row->ratio, row->follows_parent};
  }

  double ratio() {
    const auto text = value("OTEL_TRACES_SAMPLER_ARG");
    if (!text) return 1;
    double parsed = 0;
    const auto* end = text->data() + text->size();
    const auto [stop, failed] = std::from_chars(text->data(), end, parsed);
    if (failed == std::errc{} && stop == end && std::isfinite(parsed) && parsed >= 0 && parsed <= 1)
      return parsed;
    warn("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1; 1 is used");
    return 1;
  }

  void propagators() {
    const auto text = value("OTEL_PROPAGATORS");
    if (!text) return;
    const bool known = *text == "none" || text->find("tracecontext") != std::string::npos;
    read_.options.propagates = known && *text != "none";
    if (!known) warn("OTEL_PROPAGATORS names neither tracecontext nor none; none is used");
  }

  void resource() {
    auto attributes = list("OTEL_RESOURCE_ATTRIBUTES");
    auto name = value("OTEL_SERVICE_NAME");
    std::erase_if(attributes, [&](const auto& one) {
      if (one.first == "service.name" && !name) name = one.second;
      return one.first == "service.name";
    });
    auto& resource = read_.options.resource;
    resource.emplace_back("service.name", name.value_or(std::string(default_name)));
    resource.insert(resource.end(), attributes.begin(), attributes.end());
  }

  void unsupported() {
    for (const std::string name : {"COMPRESSION", "CLIENT_KEY", "CLIENT_CERTIFICATE"})
      if (const auto set = exporter(name); set && *set != "none")
        warn(exporter_name(name) + " is not supported, and is ignored");
  }

  std::map<std::string, std::string> values_;
  OptionsRead read_;
};

}  // namespace

OptionsRead read_options(std::span<const std::pair<std::string, std::string>> environment) {
  return Reading(environment).run();
}

}  // namespace memseal::trace
