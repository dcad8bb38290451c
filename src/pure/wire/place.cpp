#include "pure/wire/place.hpp"

#include "pure/codec/json.hpp"
#include "pure/wire/internal/meta_text.hpp"

#include <utility>

namespace memseal::wire {

namespace {

namespace json = boost::json;

constexpr std::string_view place_member = "place";

void add(json::object& place, std::string_view name, const std::string& value) {
  if (!value.empty()) place[name] = value;
}

}  // namespace

std::string meta_with_place(const std::string& meta_json, const Place& place) {
  auto meta = codec::parse_json(meta_json, Errc::internal);
  auto members = meta && meta->is_object() ? std::move(meta->get_object()) : json::object();
  json::object said;
  add(said, "page", place.page);
  add(said, "page_end", place.page_end);
  add(said, "heading", place.heading);
  members[place_member] = std::move(said);
  return codec::compact_json(members);
}

std::optional<Place> place_of_meta(std::string_view meta_json) {
  if (meta_json.empty()) return std::nullopt;
  const auto meta = codec::parse_json(meta_json, Errc::internal);
  const auto* object = meta ? meta->if_object() : nullptr;
  const auto* place = object ? object->if_contains(place_member) : nullptr;
  const auto* members = place ? place->if_object() : nullptr;
  if (members == nullptr) return std::nullopt;
  return Place{text_at(*members, "page"), text_at(*members, "page_end"),
                     text_at(*members, "heading")};
}

}  // namespace memseal::wire
