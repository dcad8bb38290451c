#include "pure/wire/event.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace memseal::wire {

namespace {

namespace json = boost::json;

void add_attributes(json::object& meta, const std::string& attributes_json) {
  if (attributes_json.empty()) return;
  boost::system::error_code malformed;
  auto attributes = json::parse(attributes_json, malformed);
  if (!malformed) meta["attributes"] = std::move(attributes);
}

std::string text_of(const json::object& meta) {
  return meta.empty() ? std::string() : json::serialize(meta);
}

}  // namespace

std::string meta_of(const wire::UploadEvent& event) {
  json::object meta;
  if (!event.name.empty()) meta["name"] = event.name;
  meta["mime_type"] = event.mime_type;
  add_attributes(meta, event.attributes_json);
  return text_of(meta);
}

std::string meta_of(const wire::ChatEvent& event) {
  json::object meta;
  json::array roles;
  for (const auto& message : event.messages) {
    if (!has_text(message)) continue;
    const json::value role(message.role);
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
  }
  meta["roles"] = std::move(roles);
  if (event.head.time_ms > 0) meta["time_ms"] = event.head.time_ms;
  add_attributes(meta, event.attributes_json);
  return text_of(meta);
}

}  // namespace memseal::wire
