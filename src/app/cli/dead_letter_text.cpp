#include "app/cli/dead_letter_text.hpp"

#include "app/cli/terminal_text.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

using ingest::Letter;

constexpr std::size_t line_bytes_max = 300;

std::string time_text(std::int64_t time_ms) {
  const bool is_sound = time_ms > 0 && time_ms <= codec::rfc3339_ms_max;
  return is_sound ? codec::format_rfc3339(time_ms) : "-";
}

}  // namespace

std::string shown(const std::string& text) { return one_line(text, line_bytes_max); }

json::object letter_json(const Letter& letter) {
  json::object source{{"topic", letter.source_topic},
                      {"partition", letter.source_partition},
                      {"offset", letter.source_offset},
                      {"time", time_text(letter.source_time_ms)}};
  json::object one{{"id", letter.name()},
                   {"state", ingest::letter_state_name(letter.state)},
                   {"written_at", time_text(letter.written_ms)},
                   {"code", letter.code},
                   {"message", letter.message},
                   {"field", letter.field},
                   {"stage", letter.stage},
                   {"attempts", letter.attempts},
                   {"event_id", nullptr},
                   {"user_hash", nullptr},
                   {"source", std::move(source)},
                   {"sealed_for", letter.is_for_tenant ? "tenant" : "nobody"},
                   {"bytes", letter.bytes},
                   {"value_omitted", letter.value_omitted}};
  if (letter.event_id) one["event_id"] = letter.event_id->to_string();
  if (letter.user) one["user_hash"] = letter.user->to_hex();
  return one;
}

void print_line(const Letter& letter) {
  std::printf("%s  %s  %-9s  %-8s  %s  %s\n", shown(letter.name()).c_str(),
              time_text(letter.written_ms).c_str(),
              std::string(ingest::letter_state_name(letter.state)).c_str(),
              letter.user ? letter.user->prefix().c_str() : "-", shown(letter.code).c_str(),
              shown(letter.message).c_str());
}

void print_fields(const Letter& letter) {
  for (const auto& member : letter_json(letter)) {
    const auto text = member.value().is_string() ? std::string(member.value().get_string())
                                                 : json::serialize(member.value());
    std::printf("%-14s %s\n", std::string(member.key()).c_str(),
                shown(text).c_str());
  }
}

json::object record_json(const ports::Record& record) {
  json::array headers;
  for (const auto& [name, value] : record.headers) {
    json::array pair;
    pair.emplace_back(codec::is_utf8(name) ? name : "");
    pair.emplace_back(codec::is_utf8(value) ? value : "");
    headers.push_back(std::move(pair));
  }
  json::object one{{"key", codec::is_utf8(record.key) ? record.key : ""},
                   {"headers", std::move(headers)}};
  if (codec::is_utf8(record.value)) {
    one["value"] = record.value;
  } else {
    std::string encoded;
    codec::append_base64(encoded, record.value);
    one["value_base64"] = std::move(encoded);
  }
  return one;
}

void print_record(const ports::Record& record) {
  std::printf("\nkey %s\n", shown(record.key).c_str());
  for (const auto& [name, value] : record.headers)
    std::printf("header %s: %s\n", shown(name).c_str(),
                shown(value).c_str());
  std::printf("\n%s\n", escape_controls(record.value).c_str());
}

}  // namespace memseal::app
