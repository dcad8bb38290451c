#pragma once
// Reads the fields of a model's small JSON files, with errors that name the file, the key and the
// fix.
#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace memseal::model {

Error invalid(std::string_view file, std::string_view clause);
Error unsupported(std::string_view file, std::string_view clause);

/// Parses JSON in which no object repeats a key.
/// Errors: model_invalid. The message is a clause without the file's name.
Result<boost::json::value> parse_strict(std::string_view text);

/// One JSON object. A field that is absent or null takes the fallback, where there is one.
class JsonFields {
 public:
  /// Errors: model_invalid, unless `text` is one well-formed object without repeated keys.
  static Result<JsonFields> parse(std::string_view text, std::string_view file);

  const std::string& file() const noexcept { return file_; }
  /// Null when the field is absent or null.
  const boost::json::value* find(std::string_view key) const;
  /// A whole number in 1..greatest.
  Result<std::size_t> size(std::string_view key, std::size_t greatest) const;
  Result<std::size_t> size_or(std::string_view key, std::size_t greatest,
                              std::size_t fallback) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> flag_or(std::string_view key, bool fallback) const;
  Result<std::string> text_or(std::string_view key, std::string_view fallback) const;

 private:
  JsonFields(boost::json::object object, std::string_view file)
      : object_(std::move(object)), file_(file) {}
  boost::json::object object_;
  std::string file_;
};

}  // namespace memseal::model
