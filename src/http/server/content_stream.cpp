#include "http/server/content_stream.hpp"

#include <utility>

namespace memseal::http {

asio::awaitable<void> ContentStream::begin(int status, std::vector<OutField> fields,
                                           std::uint64_t length) {
  fields.push_back({"Content-Length", std::to_string(length)});
  co_await send_head(status, std::move(fields));
}

asio::awaitable<void> ContentStream::begin(int status, std::vector<OutField> fields) {
  has_length_ = false;
  if (chunked_) fields.push_back({"Transfer-Encoding", "chunked"});
  co_await send_head(status, std::move(fields));
}

asio::awaitable<void> ContentStream::send_head(int status, std::vector<OutField> fields) {
  fields.insert(fields.end(), exchange_.fields.begin(), exchange_.fields.end());
  exchange_.session.add_common_fields(exchange_, fields);
  exchange_.content_begun = true;
  const auto head = head_text(status, fields) + "\r\n";
  co_await exchange_.session.write(head);
}

asio::awaitable<void> ContentStream::write(std::string_view bytes) {
  if (has_length_ || !chunked_) co_return co_await exchange_.session.write(bytes);
  if (bytes.empty()) co_return;  // an empty chunk would be the last one
  const auto chunk = as_chunk(bytes);
  co_await exchange_.session.write(chunk);
}

asio::awaitable<void> ContentStream::end() {
  if (!has_length_ && chunked_) co_await exchange_.session.write(last_chunk);
}

}  // namespace memseal::http
