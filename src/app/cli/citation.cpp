#include "app/cli/citation.hpp"

#include "app/cli/http_call.hpp"
#include "app/cli/terminal_text.hpp"

namespace memseal::app {

namespace {

namespace json = boost::json;

constexpr std::size_t id_bytes_max = 70, label_bytes_max = 40, heading_bytes_max = 100;

const json::object* object_in(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr ? value->if_object() : nullptr;
}

void add_part(std::string& citation, const std::string& part) {
  if (part.empty()) return;
  if (!citation.empty()) citation += " · ";
  citation += part;
}

}  // namespace

std::string citation_of(const json::object& passage) {
  std::string citation = one_line(text_of(passage, "doc_id"), id_bytes_max);
  if (const auto* meta = object_in(passage, "meta")) {
    const auto name = one_line(text_of(*meta, "name"), id_bytes_max);
    if (!citation.ends_with(name)) citation += " (" + name + ")";  // a path says its name itself
  }
  const auto* place = object_in(passage, "place");
  if (place == nullptr) return citation;
  auto page = one_line(text_of(*place, "page"), label_bytes_max);
  const auto page_end = one_line(text_of(*place, "page_end"), label_bytes_max);
  if (!page_end.empty()) page += "-" + page_end;
  if (!page.empty()) add_part(citation, "p. " + page);
  add_part(citation, one_line(text_of(*place, "heading"), heading_bytes_max));
  return citation;
}

}  // namespace memseal::app
