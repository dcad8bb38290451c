#include "pure/crypto/internal/keyring_file.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/keyring.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace memseal::crypto {

namespace {

Error refuse(std::size_t line, const char* why) {
  return {Errc::key_invalid, "keyring file, line " + std::to_string(line) + ": " + why};
}

struct Line {
  std::string_view name, value;
};

// The value is all that follows. A space or a carriage return at its end is then no base64, and the
// line is refused.
std::optional<Line> split_line(std::string_view line) {
  const auto colon = line.find(": ");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  return Line{line.substr(0, colon), line.substr(colon + 2)};
}

std::optional<std::uint32_t> kek_epoch_of(std::string_view name) {
  constexpr std::string_view prefix = "kek_";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint32_t epoch = 0;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), epoch);
  if (end.ec != std::errc() || end.ptr != name.data() + name.size()) return std::nullopt;
  // With a leading zero, one epoch would have two names and its key could stand in the file twice.
  if (epoch == 0 || name.front() == '0') return std::nullopt;
  return epoch;
}

SecretBytes* root_key_named(RootKeys& keys, std::string_view name) {
  if (name == "tenant") return &keys.tenant;
  if (name == "ids") return &keys.ids;
  if (name == "token") return &keys.token;
  if (name == "dead_letters") return &keys.dead_letters;
  return nullptr;
}

// Null when fine, else why not.
const char* take_key(RootKeys& keys, const Line& line, Bytes& decoded) {
  const auto epoch = kek_epoch_of(line.name);
  // The look-up adds an empty key for a new epoch, so the count of keks below includes this line.
  SecretBytes* const to = epoch ? &keys.keks[*epoch] : root_key_named(keys, line.name);
  if (to == nullptr) return "unknown name";
  if (!to->empty()) return "this key stands twice";
  if (keys.keks.size() > keks_max) return "more than 64 keks; remove the retired ones";
  const auto size_max = epoch ? root_key_bytes_min : root_key_bytes_max;
  if (decoded.size() < root_key_bytes_min || decoded.size() > size_max)
    return epoch ? "a kek has exactly 32 bytes" : "a key has 32 to 128 bytes";
  if (is_weak_key(decoded)) return "this key is one byte repeated: make a random one";
  *to = SecretBytes(ByteView(decoded));
  return nullptr;
}

const char* read_line(RootKeys& keys, std::string_view text, bool& versioned) {
  if (text.empty() || text.starts_with('#')) return nullptr;
  const auto line = split_line(text);
  if (!line) return "not of the form 'name: value'";
  // The version comes first, so that a later format may change all that follows.
  if (!versioned) {
    if (line->name != "version") return "the first entry must be 'version: 1'";
    if (line->value != "1") return "unknown version; this program reads version 1";
    versioned = true;
    return nullptr;
  }
  auto decoded = codec::decode_base64(line->value, codec::Base64::standard);
  if (!decoded) return "the value is not base64";
  const OnExit clean([&] { wipe(decoded->data(), decoded->size()); });
  return take_key(keys, *line, *decoded);
}

void append_key(Bytes& text, std::string_view name, const SecretBytes& key) {
  auto encoded = codec::encode_base64(key.view(), codec::Base64::standard);
  for (const auto part :
       {name, std::string_view(": "), std::string_view(encoded), std::string_view("\n")})
    text.insert(text.end(), part.begin(), part.end());
  // The encoding holds the whole key.
  wipe(encoded.data(), encoded.size());
}

}  // namespace

// Catches placeholders such as 32 zeros or a row of the letter A. NOTE: true for an empty key.
bool is_weak_key(ByteView key) noexcept {
  return std::all_of(key.begin(), key.end(), [&](std::uint8_t byte) { return byte == key[0]; });
}

Result<RootKeys> parse_keyring(std::string_view text) {
  RootKeys keys;
  bool versioned = false;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    // Causes are fixed texts, because a message that quotes the line would show a key.
    const char* const why = read_line(keys, text.substr(0, end), versioned);
    ++number;
    if (why != nullptr) return refuse(number, why);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!versioned) return refuse(number, "no 'version: 1'");
  if (keys.tenant.empty()) return refuse(number, "the key 'tenant' is missing");
  if (keys.ids.empty()) return refuse(number, "the key 'ids' is missing");
  if (keys.token.empty()) return refuse(number, "the key 'token' is missing");
  if (keys.dead_letters.empty()) return refuse(number, "the key 'dead_letters' is missing");
  if (keys.keks.empty()) return refuse(number, "there is no 'kek_1'");
  return keys;
}

SecretBytes format_keyring(const RootKeys& keys) {
  // Reserved once, so that no reallocation leaves a copy behind.
  Bytes text;
  text.reserve(keyring_file_bytes_max + 1'024);
  const OnExit clean([&] { wipe(text.data(), text.size()); });
  constexpr std::string_view head =
      "# memseal keyring: keep it secret, keep a copy apart from the database's backups\n"
      "version: 1\n";
  text.insert(text.end(), head.begin(), head.end());
  append_key(text, "tenant", keys.tenant);
  append_key(text, "ids", keys.ids);
  append_key(text, "token", keys.token);
  append_key(text, "dead_letters", keys.dead_letters);
  for (const auto& [epoch, key] : keys.keks) append_key(text, "kek_" + std::to_string(epoch), key);
  return SecretBytes(ByteView(text));
}

}  // namespace memseal::crypto
