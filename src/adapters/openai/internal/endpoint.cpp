#include "adapters/openai/internal/endpoint.hpp"

namespace memseal::openai {

Result<codec::Url> parse_endpoint(const std::string& text) {
  auto url = codec::Url::parse(text);
  if (url) return url;
  auto clause = url.error().message;
  if (text.find_first_of("@?") != text.npos) clause += "; a key goes into embedding.api_key";
  return Error{Errc::bad_config, std::move(clause), "embedding.url"};
}

}  // namespace memseal::openai
