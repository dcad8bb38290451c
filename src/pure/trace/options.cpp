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
constexpr std::int64_t number_max = 2'147'483'647;
/// What the specification calls no limit: longer than a process lives, and far from an overflow.
constexpr std::int64_t no_limit_ms = std::int64_t{10} * 365 * 24 * 3'600 * 1'000;

/// A token of RFC 9110, section 5.6.2.
bool is_field_name(std::string_view text) noexcept {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != std::string_view::npos;
  });
}

/// Of Protobuf's strings, without a control character.
bool is_text(std::string_view text) noexcept {
  return codec::is_utf8(text) && !codec::has_control(text);
}

std::vector<std::string_view> members_of(std::string_view text) {
  std::vector<std::string_view> members;
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    more = comma != std::string_view::npos;
    const auto member = trimmed(text.substr(0, comma));
    if (!member.empty()) members.push_back(member);
    if (more) text.remove_prefix(comma + 1);
  }
  return members;
}

bool has(const std::vector<std::string_view>& members, std::string_view one) {
  return std::ranges::find(members, one) != members.end();
}

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
    options.headers = list(exporter_name("HEADERS"), is_field_name);
    options.ca_file = exporter("CERTIFICATE").value_or("");
    options.attempt_timeout = limit(exporter_name("TIMEOUT"), options.attempt_timeout);
    options.queue_max = count("OTEL_BSP_MAX_QUEUE_SIZE", options.queue_max);
    options.batch_max = count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", options.batch_max);
    options.batch_max = std::min(options.batch_max, options.queue_max);
    // 0 is "at once", for which a millisecond is near enough.
    options.delay = std::max(
        milliseconds(1),
        milliseconds(number("OTEL_BSP_SCHEDULE_DELAY", 0, options.delay.count())));
    options.export_timeout = limit("OTEL_BSP_EXPORT_TIMEOUT", options.export_timeout);
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

  std::int64_t number(const std::string& name, std::int64_t least, std::int64_t otherwise) {
    const auto text = value(name);
    if (!text) return otherwise;
    std::int64_t parsed = 0;
    const auto* end = text->data() + text->size();
    const auto [stop, failed] = std::from_chars(text->data(), end, parsed);
    if (failed == std::errc{} && stop == end && parsed >= least && parsed <= number_max)
      return parsed;
    warn(name + " must be a whole number from " + std::to_string(least) + " to " +
         std::to_string(number_max) + "; " + std::to_string(otherwise) + " is used");
    return otherwise;
  }
  std::size_t count(const std::string& name, std::size_t otherwise) {
    return static_cast<std::size_t>(number(name, 1, static_cast<std::int64_t>(otherwise)));
  }
  /// 0 is "no limit".
  milliseconds limit(const std::string& name, milliseconds otherwise) {
    const auto wanted = number(name, 0, otherwise.count());
    return milliseconds(wanted == 0 ? no_limit_ms : wanted);
  }

  /// Nothing is exported unless an endpoint or the exporter is named: a process that nobody asked
  /// to trace must not send to localhost.
  bool is_wanted() {
    const auto disabled = value("OTEL_SDK_DISABLED");
    if (disabled && codec::equal_ignoring_case(*disabled, "true")) return false;
    const bool has_endpoint = exporter("ENDPOINT").has_value();
    const auto text = value("OTEL_TRACES_EXPORTER");
    if (!text) return has_endpoint;
    const auto named = members_of(*text);
    if (has(named, "none")) return false;
    const bool is_named = has(named, "otlp");
    if (named.size() == 1 && is_named) return true;
    // Whoever asks for another exporter that the specification knows does not ask for this one.
    constexpr std::array<std::string_view, 3> others{"console", "logging", "zipkin"};
    const bool names_other = std::ranges::any_of(others, [&](auto one) { return has(named, one); });
    const bool wanted = is_named || (has_endpoint && !names_other);
    warn("OTEL_TRACES_EXPORTER names an exporter besides otlp and none, which is ignored; " +
         std::string(wanted ? "traces go to otlp" : "no traces are exported"));
    return wanted;
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
    const bool ends_with_slash = options.endpoint.ends_with('/');
    while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
    options.path = is_own ? (url->path.empty() || ends_with_slash ? "/" : "")
                          : std::string(default_path);
    return true;
  }

  bool protocol() {
    const auto name = exporter_name("PROTOCOL");
    const auto wanted = value(name);
    if (!wanted || *wanted == "http/protobuf") return true;
    // A receiver of the other two would not understand.
    const bool is_other = *wanted == "grpc" || *wanted == "http/json";
    warn(name + " must be http/protobuf, which is the only one here; " +
         (is_other ? "no traces are exported" : "that is used"));
    return !is_other;
  }

  /// "name=value,name=value", values percent-encoded (W3C Baggage without properties).
  Pairs list(const std::string& name, bool (*is_key)(std::string_view) noexcept) {
    Pairs pairs;
    const auto text = value(name);
    if (!text) return pairs;
    for (const auto member : members_of(*text)) {
      const auto equals = member.find('=');
      const auto key = trimmed(member.substr(0, equals));
      const auto decoded = equals == std::string_view::npos
                               ? std::nullopt
                               : codec::percent_decode(trimmed(member.substr(equals + 1)));
      if (key.empty() || !is_key(key) || !decoded || !is_text(*decoded)) {
        // The whole list, because a part of it would be a guess.
        warn(name + " must be name=value,name=value with percent-encoded values; it is ignored");
        return {};
      }
      const auto before = std::ranges::find(pairs, key, &Pairs::value_type::first);
      if (before == pairs.end()) {
        pairs.emplace_back(std::string(key), *decoded);
      } else {
        warn(name + " has a name twice; the last value is used");
        before->second = *decoded;
      }
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
    const auto named = members_of(*text);
    read_.options.propagates = !has(named, "none");
    const bool is_known = has(named, "none") || has(named, "tracecontext");
    if (!is_known)
      warn("OTEL_PROPAGATORS names neither tracecontext nor none; tracecontext is used");
  }

  void resource() {
    auto attributes = list("OTEL_RESOURCE_ATTRIBUTES", is_text);
    auto name = value("OTEL_SERVICE_NAME");
    if (name && !is_text(*name)) {
      warn("OTEL_SERVICE_NAME must be UTF-8 without control characters; it is ignored");
      name.reset();
    }
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
    for (const std::string name :
         {"OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
          "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
          "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
          "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"})
      if (values_.contains(name)) warn(name + " is not supported, and is ignored");
  }

  std::map<std::string, std::string> values_;
  OptionsRead read_;
};

}  // namespace

OptionsRead read_options(std::span<const std::pair<std::string, std::string>> environment) {
  return Reading(environment).run();
}

}  // namespace memseal::trace
