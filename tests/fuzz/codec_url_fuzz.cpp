// Any text as a URL: what is accepted holds nothing that could end a header line or move the
// request to another host, and its own spelling is read back.
#include "base/assert.hpp"
#include "pure/codec/url.hpp"

#include <algorithm>
#include <cstdint>

using namespace memseal::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto url = Url::parse(text)) {
    MEMSEAL_ASSERT(url->tls == text.starts_with("https://"));
    MEMSEAL_ASSERT(!url->host.empty() && parse_port(url->port));
    MEMSEAL_ASSERT(url->path.empty() || (url->path.front() == '/' && url->path.back() != '/'));
    for (const auto& part : {url->host, url->port, url->path})
      MEMSEAL_ASSERT(std::all_of(part.begin(), part.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '@'; }));
    MEMSEAL_ASSERT(url->host.find('/') == url->host.npos);
    const auto again = Url::parse(url->origin() + url->path);
    MEMSEAL_ASSERT(again && again->tls == url->tls && again->host == url->host &&
                   again->port == url->port && again->path == url->path);
    MEMSEAL_ASSERT(url->origin().ends_with(url->port));
    MEMSEAL_ASSERT(split_host_port(url->authority())->host == url->host);
  }
  if (const auto place = split_host_port(text)) {
    const auto brackets = place->bracketed ? std::size_t{2} : 0;
    const auto port = place->port ? place->port->size() + 1 : 0;
    MEMSEAL_ASSERT(place->host.size() + brackets + port == size);
  }
  if (const auto decoded = percent_decode(text)) {
    const auto signs = static_cast<std::size_t>(std::count(text.begin(), text.end(), '%'));
    MEMSEAL_ASSERT(decoded->size() + 2 * signs == size);
  }
  return 0;
}
