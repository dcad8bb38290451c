#pragma once
// Builders of Kafka records for the tests of events.
#include "pure/wire/event.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace memseal::wire::testing {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A record that owns its bytes.
struct Record {
  std::string topic = "memory.upload.v1";
  std::string key = "u-1";
  std::string value;
  Headers headers;
  std::int64_t timestamp_ms = 1'700'000'000'000;

  RawEvent raw() const { return {topic, key, value, &headers, timestamp_ms}; }
};

inline const std::string upload_data = R"({"file":{"name":"a.txt","mime_type":"text/plain"},)"
                                       R"("content":{"encoding":"utf8","data":"hi"}})";
inline const std::string chat_data =
    R"({"conversation_id":"c-1","messages":[{"role":"user","content":"hello"}]})";

/// A structured upload with `data`, and `extra` members in front of it (each with its comma).
inline std::string structured(const std::string& data = upload_data, const std::string& extra = "",
                              const std::string& type = "com.acme.memory.upload.v1") {
  return R"({"specversion":"1.0","id":"e-1","source":"/app","type":")" + type +
         R"(","subject":"u-1",)" + extra + R"("data":)" + data + "}";
}

inline Record structured_upload(const std::string& data = upload_data,
                                const std::string& extra = "") {
  return {.value = structured(data, extra)};
}

inline Record structured_chat(const std::string& data = chat_data) {
  return {.topic = "memory.chat.v1", .value = structured(data, "", "com.acme.memory.chat.v1")};
}

inline Record binary_upload(const std::string& value = upload_data) {
  return {.value = value,
          .headers = {{"content-type", "application/json"},
                      {"ce_specversion", "1.0"},
                      {"ce_id", "e-1"},
                      {"ce_source", "/app"},
                      {"ce_type", "com.acme.memory.upload.v1"},
                      {"ce_subject", "u-1"}}};
}

/// `record` with header `name` set to `value` (added where it is not there).
inline Record with(Record record, const std::string& name, const std::string& value) {
  for (auto& [key, old] : record.headers)
    if (key == name) return old = value, record;
  record.headers.emplace_back(name, value);
  return record;
}

inline Record without(Record record, const std::string& name) {
  std::erase_if(record.headers, [&](const auto& header) { return header.first == name; });
  return record;
}

inline UploadEvent upload_of(const Record& record) {
  auto event = parse_event(record.raw());
  EXPECT_TRUE(event) << event.error().field << ' ' << event.error().message;
  return std::get<UploadEvent>(*event);
}

inline ChatEvent chat_of(const Record& record) {
  auto event = parse_event(record.raw());
  EXPECT_TRUE(event) << event.error().field << ' ' << event.error().message;
  return std::get<ChatEvent>(*event);
}

}  // namespace memseal::wire::testing
