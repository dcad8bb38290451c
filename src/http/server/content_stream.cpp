#include "http/server/content_stream.hpp"

#include <utility>

namespace memseal::http {

asio::awaitable<void> ContentStream::begin(int status, std::vector<OutField> fields,
                                           std::uint64_t length) {
  fields.insert(fields.end(), exchange_.fields.begin(), exchange_.fields.end());
  fields.push_back({"Content-Length", std::to_string(length)});
  exchange_.session.add_common_fields(exchange_, fields);
  exchange_.content_begun = true;
  const auto head = head_text(status, fields) + "\r\n";
  co_await exchange_.session.write(head);
}

}  // namespace memseal::http
