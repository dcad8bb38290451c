#include "adapters/model/checkpoint/json_fields.hpp"

#include "pure/codec/json.hpp"

namespace memseal::model {

Error invalid(std::string_view file, std::string_view clause) {
  return {Errc::model_invalid, std::string(file) + " " + std::string(clause)};
}

Error unsupported(std::string_view file, std::string_view clause) {
  return {Errc::model_unsupported, std::string(file) + " " + std::string(clause)};
}

namespace {

Error wrong_kind(const JsonFields& fields, std::string_view key, std::string_view wanted) {
  return invalid(fields.file(), "has a \"" + std::string(key) + "\" that is not " +
                                    std::string(wanted) + "; fetch the model again");
}

}  // namespace

Result<boost::json::value> parse_strict(std::string_view text) {
  constexpr codec::JsonRules rules{.depth_max = 16, .infinities = true};
  boost::json::value value;
  const auto fault = codec::read_json(text, rules, value);
  if (!fault) return value;
  if (fault->kind == codec::JsonFault::Kind::repeated_key)
    return Error{Errc::model_invalid, "repeats the key \"" + fault->key + "\""};
  return Error{Errc::model_invalid, "is not well-formed JSON"};
}

Result<JsonFields> JsonFields::parse(std::string_view text, std::string_view file) {
  auto value = parse_strict(text);
  if (!value) return invalid(file, value.error().message + "; fetch the model again");
  if (!value->is_object()) return invalid(file, "is not a JSON object; fetch the model again");
  return JsonFields(std::move(value->get_object()), file);
}

const boost::json::value* JsonFields::find(std::string_view key) const {
  // Hugging Face writes null for a setting that has its default.
  const auto* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::size_t> JsonFields::size(std::string_view key, std::size_t greatest) const {
  if (find(key) == nullptr)
    return invalid(file_, "has no \"" + std::string(key) + "\"; fetch the model again");
  return size_or(key, greatest, 0);
}

Result<std::size_t> JsonFields::size_or(std::string_view key, std::size_t greatest,
                                        std::size_t fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  boost::system::error_code code;
  // 384.0 is no size. A negative number fails in to_number().
  const auto number =
      value->is_number() && !value->is_double() ? value->to_number<std::uint64_t>(code) : 0;
  if (code || number < 1 || number > greatest)
    return wrong_kind(*this, key, "a whole number from 1 to " + std::to_string(greatest));
  return number;
}

Result<double> JsonFields::number_or(std::string_view key, double fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  boost::system::error_code code;
  const auto number = value->is_number() ? value->to_number<double>(code) : 0.0;
  if (code || !value->is_number()) return wrong_kind(*this, key, "a number");
  return number;
}

Result<bool> JsonFields::flag_or(std::string_view key, bool fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return wrong_kind(*this, key, "true or false");
  return value->get_bool();
}

Result<std::string> JsonFields::text_or(std::string_view key, std::string_view fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return wrong_kind(*this, key, "a string");
  return std::string(value->get_string());
}

}  // namespace memseal::model
