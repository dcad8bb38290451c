#include "app/cli/event_ends.hpp"

#include "base/errc.hpp"
#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <array>
#include <utility>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string text_in(const json::object& data, std::string_view name) {
  const auto* value = data.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::string title_of(std::string_view code) {
  const auto* row = find_errc(code);
  return row ? std::string(row->title) : std::string();
}

EventEnd end_of(const json::object& data) {
  EventEnd end;
  const auto outcome = text_in(data, "outcome");
  const auto* chunks = data.if_contains("chunks");
  if (chunks && chunks->is_int64()) end.chunks = chunks->get_int64();
  end.before = outcome == "duplicate";
  end.stored = outcome == "ingested" || end.before;
  if (end.stored) return end;
  end.code = text_in(data, "error_code");
  if (end.code.empty()) end.code = outcome;
  if (outcome == "superseded") {
    end.why = "a newer revision of this document is stored already";
  } else if (outcome == "erased") {
    end.why = "the memory of this user was erased";
  } else {
    const auto message = text_in(data, "error_message");
    end.why = message.empty() ? title_of(end.code) : message;
  }
  return end;
}

}  // namespace

std::optional<std::pair<std::size_t, EventEnd>> OpenEvents::read(std::string_view record) {
  const auto value = codec::parse_json(record, Errc::bad_json);
  if (!value || !value->is_object()) return std::nullopt;
  const auto* data = value->get_object().if_contains("data");
  if (data == nullptr || !data->is_object()) return std::nullopt;
  const auto& fields = data->get_object();
  if (text_in(fields, "event_source") != source_) return std::nullopt;
  const auto found = open_.find(text_in(fields, "event_id"));
  if (found == open_.end()) return std::nullopt;
  const auto index = found->second;
  open_.erase(found);
  return std::pair(index, end_of(fields));
}

}  // namespace memseal::app
