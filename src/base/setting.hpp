#pragma once
// One row of the table of settings. Each module lists its rows beside its options
// (`Settings::rows()`), and app/config joins them to one table.
#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal {

/// What is known of a setting without a value at hand.
struct SettingFacts {
  enum class Kind {
    text,
    path,          ///< a file; a relative path in a YAML file starts at that file's folder
    name_or_path,  ///< a path if the value has a slash, otherwise a name
    number,
    flag,
    choice,
    list,
  };

  std::string key;   ///< "http.listen": the section, then the name
  std::string help;  ///< one clause
  Kind kind = Kind::text;
  std::int64_t least = 0, most = 0;       ///< of a number, both allowed
  std::vector<std::string> choices = {};  ///< of a choice
  bool secret = false;                    ///< never shown
  bool reloadable = false;                ///< takes effect while the process runs
  std::string env_alias = {};             ///< an older environment name that stays valid

  /// What a value must be: "a whole number from 1 to 64", "true or false", "one of: cpu, cuda".
  std::string allowed() const;
  /// Whether `value` names a file by a path.
  bool is_path(std::string_view value) const;
};

/// A row: the facts, and how a value gets into `Values` and out again.
template <class Values>
struct Setting : SettingFacts {
  std::function<Result<void>(Values&, const std::string&)> set = {};  ///< errors: bad_config
  std::function<std::string(const Values&)> get = {};
};

/// A setting that is no longer there. It is refused, because its value would silently do nothing.
struct RetiredSetting {
  std::string_view key;
  std::string_view instead;  ///< a clause: why, and what to set
};

template <class Values>
using SettingRows = std::vector<Setting<Values>>;

/// Makers of rows. `field` is the member of `Values` that holds the value.
namespace setting {

/// Refuses a text that can never work. The message quotes nothing of a secret, and the key is put
/// before it. An empty text is not checked, because it means "not set".
using Check = Result<void> (*)(const std::string& value);

/// The error of a value. The message is "<key> <clause>".
Error refused(const std::string& key, std::string_view clause);

Result<std::int64_t> parse_number(const SettingFacts& facts, const std::string& value);
Result<bool> parse_flag(const SettingFacts& facts, const std::string& value);
Result<void> check_choice(const SettingFacts& facts, const std::string& value);
Result<void> check_text(const SettingFacts& facts, Check check, const std::string& value);

template <class Values>
Setting<Values> text(std::string key, std::string help, std::string Values::*field,
                     Check check = nullptr) {
  Setting<Values> row{{std::move(key), std::move(help)}};
  row.set = [facts = static_cast<SettingFacts>(row), field, check](
                Values& values, const std::string& value) -> Result<void> {
    if (auto fits = check_text(facts, check, value); !fits) return fits;
    values.*field = value;
    return {};
  };
  row.get = [field](const Values& values) { return values.*field; };
  return row;
}

template <class Values>
Setting<Values> secret(std::string key, std::string help, std::string Values::*field,
                       Check check = nullptr) {
  auto row = text(std::move(key), std::move(help), field, check);
  row.secret = true;
  return row;
}

template <class Values>
Setting<Values> path(std::string key, std::string help, std::string Values::*field) {
  auto row = text(std::move(key), std::move(help), field);
  row.kind = SettingFacts::Kind::path;
  return row;
}

template <class Values>
Setting<Values> name_or_path(std::string key, std::string help, std::string Values::*field) {
  auto row = text(std::move(key), std::move(help), field);
  row.kind = SettingFacts::Kind::name_or_path;
  return row;
}

template <class Values>
Setting<Values> number(std::string key, std::string help, std::int64_t least, std::int64_t most,
                       std::int64_t Values::*field) {
  Setting<Values> row{{std::move(key), std::move(help), SettingFacts::Kind::number, least, most}};
  row.set = [facts = static_cast<SettingFacts>(row), field](
                Values& values, const std::string& value) -> Result<void> {
    const auto parsed = parse_number(facts, value);
    if (!parsed) return parsed.error();
    values.*field = *parsed;
    return {};
  };
  row.get = [field](const Values& values) { return std::to_string(values.*field); };
  return row;
}

template <class Values>
Setting<Values> flag(std::string key, std::string help, bool Values::*field) {
  Setting<Values> row{{std::move(key), std::move(help), SettingFacts::Kind::flag}};
  row.set = [facts = static_cast<SettingFacts>(row), field](
                Values& values, const std::string& value) -> Result<void> {
    const auto parsed = parse_flag(facts, value);
    if (!parsed) return parsed.error();
    values.*field = *parsed;
    return {};
  };
  row.get = [field](const Values& values) {
    return std::string(values.*field ? "true" : "false");
  };
  return row;
}

template <class Values>
Setting<Values> choice(std::string key, std::string help, std::vector<std::string> choices,
                       std::string Values::*field) {
  Setting<Values> row{{std::move(key), std::move(help), SettingFacts::Kind::choice, 0, 0,
                       std::move(choices)}};
  row.set = [facts = static_cast<SettingFacts>(row), field](
                Values& values, const std::string& value) -> Result<void> {
    if (auto fits = check_choice(facts, value); !fits) return fits;
    values.*field = value;
    return {};
  };
  row.get = [field](const Values& values) { return values.*field; };
  return row;
}

/// The same row with an older environment name.
template <class Values>
Setting<Values> with_alias(Setting<Values> row, std::string env_name) {
  row.env_alias = std::move(env_name);
  return row;
}

/// The row of a part, as a row of the whole that holds the part. `part(Whole&)` returns Part&.
template <class Whole, class Part, class Projection>
Setting<Whole> lift(const Setting<Part>& row, Projection part) {
  Setting<Whole> lifted{row};
  lifted.set = [set = row.set, part](Whole& whole, const std::string& value) -> Result<void> {
    return set(part(whole), value);
  };
  lifted.get = [get = row.get, part](const Whole& whole) {
    return get(part(const_cast<Whole&>(whole)));  // `get` takes a const reference.
  };
  return lifted;
}

}  // namespace setting

}  // namespace memseal
