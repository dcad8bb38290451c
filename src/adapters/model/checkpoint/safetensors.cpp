#include "adapters/model/checkpoint/safetensors.hpp"

#include "adapters/model/checkpoint/json_fields.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace memseal::model {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

namespace json = boost::json;

// A BERT's header has a few kilobytes; the format itself allows 100 MB.
constexpr std::uint64_t header_bytes_max = 16u << 20;
constexpr std::size_t rank_max = 8;

struct Placed {
  std::uint64_t begin = 0, end = 0;
  Tensor tensor;
};

struct Kind {
  std::string_view name;
  DType type;
  std::size_t bytes;
};

// Types that no encoder here reads are known too, because a file may hold such a tensor beside the
// weights, position_ids for example.
constexpr Kind kinds[] = {
    {"F32", DType::f32, 4},   {"F16", DType::f16, 2},  {"BF16", DType::bf16, 2},
    {"F64", DType::other, 8}, {"I64", DType::other, 8}, {"U64", DType::other, 8},
    {"I32", DType::other, 4}, {"U32", DType::other, 4}, {"I16", DType::other, 2},
    {"U16", DType::other, 2}, {"I8", DType::other, 1},  {"U8", DType::other, 1},
    {"BOOL", DType::other, 1}, {"F8_E4M3", DType::other, 1}, {"F8_E5M2", DType::other, 1},
};

// Offsets and extents are whole numbers. A double would be rounded above 2^53.
std::optional<std::uint64_t> as_u64(const json::value& value) {
  if (!value.is_number() || value.is_double()) return std::nullopt;
  boost::system::error_code code;
  const auto number = value.to_number<std::uint64_t>(code);
  if (code) return std::nullopt;
  return number;
}

std::optional<std::vector<std::uint64_t>> as_list(const json::value* value, std::size_t size_max) {
  if (value == nullptr || !value->is_array() || value->get_array().size() > size_max)
    return std::nullopt;
  std::vector<std::uint64_t> list;
  for (const auto& entry : value->get_array()) {
    const auto number = as_u64(entry);
    if (!number) return std::nullopt;
    list.push_back(*number);
  }
  return list;
}

/// Errors are clauses about the tensor.
Result<Placed> read_entry(std::string_view name, const json::value& value) {
  const auto flaw = [](std::string_view clause) {
    return Error{Errc::model_invalid, std::string(clause)};
  };
  if (!value.is_object()) return flaw("is not described by an object");
  const auto& fields = value.get_object();
  const auto* dtype = fields.if_contains("dtype");
  // parse_strict() refuses repeated keys, so three members with these names are exactly these.
  if (fields.size() != 3 || dtype == nullptr || !dtype->is_string())
    return flaw("lacks exactly dtype, shape and data_offsets");
  const auto* kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& known) {
    return known.name == std::string_view(dtype->get_string());
  });
  if (kind == std::end(kinds)) return flaw("has an unknown dtype");
  const auto shape = as_list(fields.if_contains("shape"), rank_max);
  const auto offsets = as_list(fields.if_contains("data_offsets"), 2);
  if (!shape || !offsets || offsets->size() != 2) return flaw("has no proper shape and offsets");

  std::uint64_t bytes = kind->bytes;
  for (const auto extent : *shape)
    // Without the check, a shape whose product wraps could agree with a short range of bytes, and
    // readers that trust the shape would read beyond it.
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return flaw("has an impossible shape");
  Placed placed;
  placed.begin = (*offsets)[0];
  placed.end = (*offsets)[1];
  if (placed.end < placed.begin || placed.end - placed.begin != bytes)
    return flaw("has a shape that disagrees with its bytes");
  placed.tensor.name = name;
  placed.tensor.type = kind->type;
  placed.tensor.shape.assign(shape->begin(), shape->end());
  return placed;
}

bool is_string_map(const json::value& value) {
  if (!value.is_object()) return false;
  for (const auto& entry : value.get_object())
    if (!entry.value().is_string()) return false;
  return true;
}

Result<std::vector<Placed>> read_header(std::string_view header, std::string_view file) {
  const auto value = parse_strict(header);
  if (!value) return invalid(file, "has a header that " + value.error().message);
  // The format requires the first byte to be `{`; spaces may only follow the object.
  if (!value->is_object() || header.front() != '{')
    return invalid(file, "has a header that is no JSON object");
  std::vector<Placed> entries;
  for (const auto& entry : value->get_object()) {
    if (entry.key() == "__metadata__") {
      if (!is_string_map(entry.value())) return invalid(file, "has malformed metadata");
      continue;
    }
    auto placed = read_entry(entry.key(), entry.value());
    if (!placed)
      return invalid(file, "is damaged: tensor \"" + std::string(entry.key()) + "\" " +
                               placed.error().message + "; fetch the model again");
    entries.push_back(std::move(*placed));
  }
  // By `end` too, so that an empty tensor comes before the one that begins at the same byte.
  std::sort(entries.begin(), entries.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  return entries;
}

}  // namespace

Result<Safetensors> Safetensors::parse(std::span<const std::byte> file, std::string_view name) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length)
    return invalid(name, "is too short for a header; fetch the model again");
  std::memcpy(&length, file.data(), sizeof length);
  const auto rest = file.subspan(sizeof length);
  // `length` is untrusted: compared before it becomes the size of a view.
  if (length < 2 || length > header_bytes_max || length > rest.size())
    return invalid(name, "has a header length that cannot be; fetch the model again");
  const std::string_view header(reinterpret_cast<const char*>(rest.data()), length);
  const auto data = rest.subspan(length);

  auto entries = read_header(header, name);
  if (!entries) return entries.error();
  Safetensors parsed;
  std::uint64_t expected = 0;
  for (auto& [begin, end, tensor] : *entries) {
    // The format allows no hole and no overlap, so that a file cannot be valid in a second format
    // too.
    if (begin != expected)
      return invalid(name, "is damaged: a hole or an overlap before tensor \"" + tensor.name +
                               "\"; fetch the model again");
    if (end > data.size())
      return invalid(name, "ends inside tensor \"" + tensor.name + "\"; fetch the model again");
    tensor.bytes = data.subspan(begin, end - begin);
    expected = end;
    auto key = tensor.name;
    parsed.tensors_.emplace(std::move(key), std::move(tensor));
  }
  if (expected != data.size())
    return invalid(name, "has bytes after its last tensor; fetch the model again");
  return parsed;
}

const Tensor* Safetensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace memseal::model
