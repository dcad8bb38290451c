// Raw bytes through Beast's parser and the framing check. What comes out must not depend on how the
// bytes were cut into reads, and what passes must satisfy the rules by a second, naive reading.
#include "base/assert.hpp"
#include "http/server/reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using memseal::http::Progress;
using memseal::http::RequestHead;
using memseal::http::RequestReader;

constexpr std::size_t body_bytes_max = 600;
// Longer chunk headers are refused by how much of them has arrived.
constexpr std::size_t input_bytes_max = 4'000;

struct Seen {
  std::vector<std::string> requests;
  bool refused = false;
  std::string left;
};

void check(const RequestHead& head) {
  std::size_t hosts = 0, lengths = 0, encodings = 0;
  for (const auto& field : head.fields) {
    hosts += field.name == "host";
    lengths += field.name == "content-length";
    encodings += field.name == "transfer-encoding";
    for (const unsigned char byte : field.value)
      MEMSEAL_ASSERT(byte != 0 && byte != '\r' && byte != '\n');
  }
  MEMSEAL_ASSERT(hosts + (head.minor_version == 0) >= 1 && hosts <= 1);
  MEMSEAL_ASSERT(lengths + encodings <= 1);
  MEMSEAL_ASSERT(head.target.front() == '/' || (head.target == "*" && head.method == "OPTIONS"));
  MEMSEAL_ASSERT(head.has_body == (encodings == 1 || head.content_length.value_or(0) > 0));
  if (head.method == "GET" || head.method == "HEAD") MEMSEAL_ASSERT(!head.has_body);
}

std::string text_of(const RequestHead& head, const std::string& body) {
  std::string text = head.method + ' ' + head.target;
  for (const auto& field : head.fields) text.append("\n").append(field.name + '=' + field.value);
  return text + "\n\n" + body;
}

Seen read_all(std::string_view bytes, std::size_t step) {
  Seen seen;
  RequestReader reader;
  std::string buffer;
  bool in_body = false;
  reader.next();
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    buffer += bytes.substr(at, step);
    while (true) {
      const auto progress =
          in_body ? reader.read_body(buffer, body_bytes_max) : reader.read_head(buffer);
      if (progress == Progress::refused) {
        seen.refused = true;
        return seen;
      }
      if (progress == Progress::more) break;
      if (!in_body) check(reader.head());
      if (!in_body && reader.head().has_body) {
        in_body = true;
        continue;
      }
      const auto body = in_body ? reader.take_body() : std::string();
      const auto length = reader.head().content_length;
      MEMSEAL_ASSERT(body.size() <= body_bytes_max && (!length || *length == body.size()));
      MEMSEAL_ASSERT(reader.finished());
      seen.requests.push_back(text_of(reader.head(), body));
      in_body = false;
      reader.next();
    }
  }
  // Inside a body, what the parser has taken in depends on the cut; in a head nothing has.
  if (!in_body) seen.left = buffer;
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > input_bytes_max) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = read_all(bytes, bytes.size());
  const auto cut = read_all(bytes, 1 + data[0] % 16);
  MEMSEAL_ASSERT(whole.requests == cut.requests);
  // Beast sees a fault in an unfinished chunk header sooner or later; past it nothing is read.
  if (!whole.refused && !cut.refused) MEMSEAL_ASSERT(whole.left == cut.left);
  return 0;
}
