#include "adapters/openai/internal/response.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <cmath>
#include <string>

namespace memseal::openai {

namespace {

namespace json = boost::json;

// Unavailable and not internal: an endpoint that answers nonsense says nothing about the texts, so
// no event may be blamed.
Error wrong(std::string clause) { return {Errc::unavailable, std::move(clause)}; }

/// Scales `values` to length 1. Returns false if their length is too near 0 to divide by.
bool normalise(ports::Embedding& values) {
  double square = 0;
  for (const float value : values) square += static_cast<double>(value) * value;
  if (!(square > 1e-24)) return false;
  const double scale = 1 / std::sqrt(square);
  for (float& value : values) value = static_cast<float>(value * scale);
  return true;
}

Result<ports::Embedding> read_vector(const json::value& given, std::size_t dimension) {
  if (!given.is_array()) return wrong("has an embedding that is not an array of numbers");
  const auto& numbers = given.get_array();
  if (numbers.empty() || numbers.size() > dimension_max)
    return wrong("has an embedding of " + std::to_string(numbers.size()) + " numbers");
  if (dimension != 0 && numbers.size() != dimension)
    return wrong("has an embedding of " + std::to_string(numbers.size()) + " numbers where " +
                 std::to_string(dimension) + " belong");
  ports::Embedding values;
  values.reserve(numbers.size());
  for (const auto& number : numbers) {
    if (!number.is_number()) return wrong("has an embedding with an element that is not a number");
    boost::system::error_code code;
    const auto value = static_cast<float>(number.to_number<double>(code));
    if (code || !std::isfinite(value))
      return wrong("has an embedding with a number that is not finite");
    values.push_back(value);
  }
  if (!normalise(values)) return wrong("has an embedding of length 0");
  return values;
}

Result<std::size_t> read_index(const json::object& entry, std::size_t count) {
  // The vectors may come in any order, and the index says which text each belongs to. A wrong one
  // would store a vector beside another user's text.
  const auto* index = entry.if_contains("index");
  boost::system::error_code code;
  if (index == nullptr || !(index->is_int64() || index->is_uint64()))
    return wrong("has an embedding without an index");
  const auto place = index->to_number<std::size_t>(code);
  if (code || place >= count) return wrong("has an embedding with an index that was not asked for");
  return place;
}

}  // namespace

Result<std::vector<ports::Embedding>> parse_embeddings(std::string_view body, std::size_t count,
                                                       std::size_t dimension) {
  boost::system::error_code code;
  json::parse_options options;
  // The answer nests four levels deep. The limit bounds the stack that a hostile answer can use.
  options.max_depth = 16;
  const auto document = json::parse(body, code, {}, options);
  if (code) return wrong("is not JSON");
  const auto* root = document.if_object();
  const auto* data = root == nullptr ? nullptr : root->if_contains("data");
  if (data == nullptr || !data->is_array()) return wrong("has no list of embeddings");
  const auto& entries = data->get_array();
  if (entries.size() != count)
    return wrong("has " + std::to_string(entries.size()) + " embeddings where " +
                 std::to_string(count) + " belong");
  std::vector<ports::Embedding> vectors(count);
  for (const auto& entry : entries) {
    const auto* fields = entry.if_object();
    const auto* embedding = fields == nullptr ? nullptr : fields->if_contains("embedding");
    if (embedding == nullptr) return wrong("has an entry without an embedding");
    const auto place = read_index(*fields, count);
    if (!place) return place.error();
    if (!vectors[*place].empty()) return wrong("has one index twice");
    auto values = read_vector(*embedding, dimension);
    if (!values) return values.error();
    // The first vector sets the length of all others where none is known yet.
    dimension = values->size();
    vectors[*place] = std::move(*values);
  }
  return vectors;
}

}  // namespace memseal::openai
