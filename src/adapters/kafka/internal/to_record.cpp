#include "adapters/kafka/internal/to_record.hpp"

#include <algorithm>

namespace memseal::kafka {

namespace {

void copy_headers(const rd_kafka_message_t& message, ports::Record& record) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  record.headers.reserve(rd_kafka_header_cnt(headers));
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    record.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
}

}  // namespace

ports::Record to_record(const rd_kafka_message_t& message, const std::string& topic) {
  ports::Record record;
  record.topic = topic;
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t kind{};
  record.timestamp_ms = std::max<std::int64_t>(0, rd_kafka_message_timestamp(&message, &kind));
  record.has_broker_time = kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  if (message.key) record.key.assign(static_cast<const char*>(message.key), message.key_len);
  if (message.payload)
    record.value.assign(static_cast<const char*>(message.payload), message.len);
  copy_headers(message, record);
  return record;
}

}  // namespace memseal::kafka
