// Any bytes as JSON: what is accepted is written and read back as itself, looser rules accept what
// stricter ones do, and no rule is passed over.
#include "base/assert.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/utf8.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdint>

using namespace memseal::codec;

namespace {

constexpr JsonRules tight{
    .depth_max = 3, .members_max = 2, .elements_max = 3, .key_bytes_max = 4, .text_bytes_max = 5};

void check_tight(const json::value& value, std::size_t depth) {
  if (const auto* object = value.if_object()) {
    MEMSEAL_ASSERT(depth < tight.depth_max && object->size() <= tight.members_max);
    for (const auto& member : *object) {
      MEMSEAL_ASSERT(member.key().size() <= tight.key_bytes_max);
      check_tight(member.value(), depth + 1);
    }
  } else if (const auto* array = value.if_array()) {
    MEMSEAL_ASSERT(depth < tight.depth_max && array->size() <= tight.elements_max);
    for (const auto& element : *array) check_tight(element, depth + 1);
  } else if (const auto* text = value.if_string()) {
    MEMSEAL_ASSERT(text->size() <= tight.text_bytes_max && is_utf8(*text));
  }
}

/// Equal but for how a number is held: 1e2 is written as 100.
bool same(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  if (a.kind() != b.kind()) return false;
  if (const auto* object = a.if_object()) {
    const auto& other = b.get_object();
    return object->size() == other.size() &&
           std::all_of(object->begin(), object->end(), [&](const auto& member) {
             const auto* found = other.if_contains(member.key());
             return found != nullptr && same(member.value(), *found);
           });
  }
  if (const auto* array = a.if_array())
    return std::equal(array->begin(), array->end(), b.get_array().begin(), b.get_array().end(),
                      same);
  return a == b;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  json::value strict, loose, small;
  const auto refused = read_json(text, {}, strict);
  const auto refused_loose =
      read_json(text, {.repeats_below_top = true, .infinities = true}, loose);
  const auto refused_small = read_json(text, tight, small);
  if (!refused_small) check_tight(small, 0);
  MEMSEAL_ASSERT(refused || !refused_loose);
  MEMSEAL_ASSERT(refused_small || !refused);
  if (refused) return 0;
  MEMSEAL_ASSERT(is_utf8(text) && strict == loose);
  json::value again;
  MEMSEAL_ASSERT(!read_json(compact_json(strict), {}, again) && same(again, strict));
  return 0;
}
