#include "base/setting.hpp"

#include <algorithm>
#include <charconv>

namespace memseal {

std::string SettingFacts::allowed() const {
  switch (kind) {
    case Kind::text: return "text";
    case Kind::path: return "a path";
    case Kind::name_or_path: return "a name, or a path with a slash";
    case Kind::list: return "a list name=value,name=value";
    case Kind::flag: return "true or false";
    case Kind::number:
      return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    case Kind::choice: break;
  }
  std::string list;
  for (const auto& one : choices) list += (list.empty() ? "" : ", ") + one;
  return "one of: " + list;
}

bool SettingFacts::is_path(std::string_view value) const {
  if (value.empty()) return false;  // not set
  return kind == Kind::path ||
         (kind == Kind::name_or_path && value.find('/') != std::string_view::npos);
}

namespace setting {

// The message names the setting and never repeats its value, because the value may be a secret.
Error refused(const std::string& key, std::string_view clause) {
  return {Errc::bad_config, key + " " + std::string(clause), key};
}

// from_chars() takes no space, no plus sign and no digits of the locale. It reports a number that
// does not fit into 64 bits, where a conversion would wrap.
Result<std::int64_t> parse_number(const SettingFacts& facts, const std::string& value) {
  std::int64_t parsed = 0;
  const auto* end = value.data() + value.size();
  const auto [stop, failure] = std::from_chars(value.data(), end, parsed);
  if (failure != std::errc{} || stop != end || parsed < facts.least || parsed > facts.most)
    return refused(facts.key, "must be " + facts.allowed());
  return parsed;
}

Result<bool> parse_flag(const SettingFacts& facts, const std::string& value) {
  if (value == "true" || value == "1" || value == "yes" || value == "on") return true;
  if (value == "false" || value == "0" || value == "no" || value == "off") return false;
  return refused(facts.key, "must be " + facts.allowed());
}

Result<void> check_choice(const SettingFacts& facts, const std::string& value) {
  if (std::ranges::find(facts.choices, value) != facts.choices.end()) return {};
  return refused(facts.key, "must be " + facts.allowed());
}

Result<void> check_text(const SettingFacts& facts, Check check, const std::string& value) {
  // An empty text means that the setting is not set.
  if (check == nullptr || value.empty()) return {};
  const auto fits = check(value);
  if (!fits) return Error{Errc::bad_config, facts.key + ": " + fits.error().message, facts.key};
  return {};
}

}  // namespace setting

}  // namespace memseal
