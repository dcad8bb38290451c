#include "cases/knowledge/file_texts.hpp"

#include "pure/codec/utf8.hpp"

#include <utility>

namespace memseal::knowledge {

asio::awaitable<Result<std::string>> text_of(Reading& reading, runtime::RequestContext context,
                                             std::size_t bytes_max) {
  const auto bytes = static_cast<std::uint64_t>(reading.file().bytes);
  if (bytes > bytes_max)
    co_return Error{Errc::payload_too_large, "a text to index has at most " +
                                                 std::to_string(bytes_max) +
                                                 " bytes, this file has " + std::to_string(bytes)};
  std::string text;
  text.reserve(bytes);
  while (text.size() < bytes) {
    const auto piece = co_await reading.read(context, text.size(), bytes);
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  if (!codec::is_utf8(text) || codec::is_blank(text) || text.find('\0') != text.npos)
    co_return no_text();
  co_return text;
}

asio::awaitable<bool> begins_as_text(Reading& reading, runtime::RequestContext context) {
  constexpr std::size_t looked_at = 16'384;
  const auto bytes = co_await reading.read(std::move(context), 0, looked_at);
  std::string_view begin(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (begin.find('\0') != begin.npos) co_return false;
  // The last character may be cut: at most three of its bytes are here.
  constexpr int cut_bytes_max = 3;
  for (int cut = 0; cut <= cut_bytes_max && !begin.empty(); ++cut, begin.remove_suffix(1))
    if (codec::is_utf8(begin)) co_return true;
  co_return false;
}

Error no_text() {
  return {Errc::unsupported_media_type,
          "the file is no text in UTF-8: nothing else is indexed yet"};
}

asio::awaitable<Result<std::string>> FileTexts::text_of(runtime::RequestContext context,
                                                        crypto::Tenant owner, Uuid file,
                                                        std::size_t bytes_max) {
  auto reading = co_await Reading::begin(deps_, context, owner, file);
  if (!reading) co_return Error{Errc::not_found, "the file was removed, or never stored"};
  co_return co_await knowledge::text_of(**reading, std::move(context), bytes_max);
}

}  // namespace memseal::knowledge
