#include "pure/crypto/internal/keyring_file.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "pure/crypto/internal/bytes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace memseal::crypto {

namespace {

enum class Version { none, one, two };

Error refuse(std::size_t line, const std::string& why) {
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

// With a leading zero, one generation would have two names and its key could stand in the file
// twice.
std::optional<std::uint32_t> parse_generation(std::string_view digits) {
  std::uint32_t number = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (end.ec != std::errc() || end.ptr != digits.data() + digits.size()) return std::nullopt;
  if (number == 0 || digits.front() == '0') return std::nullopt;
  return number;
}

// Names in the file; those of the command line have a hyphen.
constexpr std::string_view file_name(RootKey kind) {
  switch (kind) {
    case RootKey::kek:
      return "kek";
    case RootKey::token:
      return "token";
    case RootKey::dead_letters:
      return "dead_letters";
  }
  return "";
}

struct KeyName {
  RootKey kind;
  std::string_view suffix;  ///< "2" or "current"; empty: the name alone
};

std::optional<KeyName> split_name(std::string_view name) {
  for (const auto kind : root_key_kinds) {
    const auto prefix = file_name(kind);
    if (!name.starts_with(prefix)) continue;
    const auto rest = name.substr(prefix.size());
    if (rest.empty()) return KeyName{kind, {}};
    if (rest.size() > 1 && rest.front() == '_') return KeyName{kind, rest.substr(1)};
  }
  return std::nullopt;
}

/// Reads the lines one after the other. Causes are fixed texts, because a message that quotes a
/// line would show a key.
class Reader {
 public:
  /// Null when fine, else why not.
  const char* read(std::string_view text) {
    if (text.empty() || text.starts_with('#')) return nullptr;
    const auto line = split_line(text);
    if (!line) return "not of the form 'name: value'";
    if (version_ == Version::none) return read_version(*line);
    const auto name = split_name(line->name);
    if (version_ == Version::two && name && name->suffix == "current")
      return read_current(keys_.of(name->kind), line->value);
    SecretBytes* const to = place_of(line->name, name);
    if (to == nullptr) return why_no_place_;
    auto decoded = codec::decode_base64(line->value, codec::Base64::standard);
    if (!decoded) return "the value is not base64";
    const OnExit clean([&] { wipe(decoded->data(), decoded->size()); });
    return take(*to, *decoded, name && name->kind == RootKey::kek);
  }

  Result<RootKeys> finish(std::size_t lines) && {
    if (version_ == Version::none) return refuse(lines, "no 'version: 1'");
    if (keys_.tenant.empty()) return refuse(lines, "the key 'tenant' is missing");
    if (keys_.ids.empty()) return refuse(lines, "the key 'ids' is missing");
    for (const auto kind : {RootKey::token, RootKey::dead_letters, RootKey::kek}) {
      auto& ring = keys_.of(kind);
      const std::string name(file_name(kind));
      if (ring.keys.empty()) return refuse(lines, "a key '" + name + "' is missing");
      if (version_ == Version::one) ring.current = ring.keys.rbegin()->first;
      if (!ring.keys.contains(ring.current))
        return refuse(lines, "'" + name + "_current' names no key that is there");
    }
    return std::move(keys_);
  }

 private:
  // The version comes first, so that a later format may change all that follows.
  const char* read_version(const Line& line) {
    if (line.name != "version") return "the first entry must be 'version: 1' or 'version: 2'";
    if (line.value == "1") version_ = Version::one;
    if (line.value == "2") version_ = Version::two;
    return version_ == Version::none ? "unknown version; this program reads versions 1 and 2"
                                     : nullptr;
  }

  const char* read_current(KeyGenerations& ring, std::string_view value) {
    if (ring.current != 0) return "the current key is named twice";
    const auto number = parse_generation(value);
    if (!number) return "the current key is named by the number of its generation";
    ring.current = *number;
    return nullptr;
  }

  /// Where the key goes; null: no key has this name, and why_no_place_ says why.
  SecretBytes* place_of(std::string_view text, const std::optional<KeyName>& name) {
    why_no_place_ = "unknown name";
    if (text == "tenant") return &keys_.tenant;
    if (text == "ids") return &keys_.ids;
    if (!name) return nullptr;
    auto& ring = keys_.of(name->kind);
    // In version 1 a kek alone has generations. A name without a number is generation 1.
    const bool numbered = version_ == Version::two || name->kind == RootKey::kek;
    if (name->suffix.empty()) return numbered ? nullptr : &ring.keys[1];
    const auto number = numbered ? parse_generation(name->suffix) : std::nullopt;
    if (!number) return nullptr;
    if (!ring.keys.contains(*number) && ring.keys.size() >= generations_max) {
      why_no_place_ = "more than 64 generations of a key; remove the retired ones";
      return nullptr;
    }
    return &ring.keys[*number];
  }

  static const char* take(SecretBytes& to, const Bytes& decoded, bool is_kek) {
    if (!to.empty()) return "this key stands twice";
    const auto size_max = is_kek ? root_key_bytes_min : root_key_bytes_max;
    if (decoded.size() < root_key_bytes_min || decoded.size() > size_max)
      return is_kek ? "a kek has exactly 32 bytes" : "a key has 32 to 128 bytes";
    if (is_weak_key(decoded)) return "this key is one byte repeated: make a random one";
    to = SecretBytes(ByteView(decoded));
    return nullptr;
  }

  RootKeys keys_;
  Version version_ = Version::none;
  const char* why_no_place_ = nullptr;
};

void append(Bytes& text, std::string_view part) {
  text.insert(text.end(), part.begin(), part.end());
}

void append_key(Bytes& text, std::string_view name, const SecretBytes& key) {
  auto encoded = codec::encode_base64(key.view(), codec::Base64::standard);
  for (const auto part :
       {name, std::string_view(": "), std::string_view(encoded), std::string_view("\n")})
    append(text, part);
  // The encoding holds the whole key.
  wipe(encoded.data(), encoded.size());
}

bool is_first_alone(const KeyGenerations& ring) {
  return ring.current == 1 && ring.keys.size() == 1;
}

Version version_for(const RootKeys& keys) {
  const bool newest_kek = keys.keks.current == keys.keks.keys.rbegin()->first;
  return newest_kek && is_first_alone(keys.token) && is_first_alone(keys.dead_letters)
             ? Version::one
             : Version::two;
}

void append_ring(Bytes& text, RootKey kind, const KeyGenerations& ring, Version version) {
  const std::string name(file_name(kind));
  const bool numbered = version == Version::two || kind == RootKey::kek;
  for (const auto& [number, key] : ring.keys)
    append_key(text, numbered ? name + "_" + std::to_string(number) : name, key);
  if (version == Version::two)
    append(text, name + "_current: " + std::to_string(ring.current) + "\n");
}

}  // namespace

KeyGenerations& RootKeys::of(RootKey kind) noexcept {
  return kind == RootKey::kek ? keks : kind == RootKey::token ? token : dead_letters;
}

// Catches placeholders such as 32 zeros or a row of the letter A. NOTE: true for an empty key.
bool is_weak_key(ByteView key) noexcept {
  return std::all_of(key.begin(), key.end(), [&](std::uint8_t byte) { return byte == key[0]; });
}

Result<RootKeys> parse_keyring(std::string_view text) {
  Reader reader;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const char* const why = reader.read(text.substr(0, end));
    ++number;
    if (why != nullptr) return refuse(number, why);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(reader).finish(number);
}

SecretBytes format_keyring(const RootKeys& keys) {
  // Reserved once, so that no reallocation leaves a copy behind.
  Bytes text;
  text.reserve(keyring_file_bytes_max + 1'024);
  const OnExit clean([&] { wipe(text.data(), text.size()); });
  const auto version = version_for(keys);
  append(text,
         "# memseal keyring: keep it secret, keep a copy apart from the database's backups\n");
  append(text, version == Version::one ? "version: 1\n" : "version: 2\n");
  append_key(text, "tenant", keys.tenant);
  append_key(text, "ids", keys.ids);
  append_ring(text, RootKey::token, keys.token, version);
  append_ring(text, RootKey::dead_letters, keys.dead_letters, version);
  append_ring(text, RootKey::kek, keys.keks, version);
  return SecretBytes(ByteView(text));
}

}  // namespace memseal::crypto
