#include "pure/producers/signature.hpp"

#include "base/assert.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/big_endian.hpp"
#include "pure/crypto/hash.hpp"

#include <algorithm>
#include <charconv>

namespace memseal::producers {

namespace {

constexpr std::string_view version = "v1.";
constexpr std::string_view event_domain = "memseal/event-signature/v1",
                           replay_domain = "memseal/replay-signature/v1";
constexpr std::string_view content_type = "content-type";
// As many as a time of the year 9999 has.
constexpr std::size_t time_digits_max = 15;

/// The text up to the next dot, which is taken away with the dot. The rest where there is none.
std::string_view take_word(std::string_view& text) {
  const auto dot = std::min(text.find('.'), text.size());
  const auto word = text.substr(0, dot);
  text.remove_prefix(std::min(dot + 1, text.size()));
  return word;
}

std::optional<std::int64_t> time_of(std::string_view text) {
  const bool canonical =
      // One spelling of each time, because the signature is over the text: 007 and 7 would be two
      // valid headers of one signature.
      !text.empty() && text.size() <= time_digits_max && text.front() != '0' &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!canonical) return std::nullopt;
  std::int64_t time = 0;
  std::from_chars(text.data(), text.data() + text.size(), time);
  return time;
}

void put(Bytes& out, ByteView field) {
  const auto size = codec::big_endian(static_cast<std::uint32_t>(field.size()));
  out.insert(out.end(), size.begin(), size.end());
  out.insert(out.end(), field.begin(), field.end());
}

void put(Bytes& out, std::string_view field) { put(out, bytes_of(field)); }

/// Ingest reads nothing else of the headers, but for the trace, which decides nothing. A header
/// that it learns to read must be covered too.
bool is_covered(std::string_view name, Purpose purpose) {
  if (name == content_type || name.starts_with("ce_") || name.starts_with("ce-")) return true;
  return purpose == Purpose::replay &&
         (name == wire::signature_header || name.starts_with(wire::replay_header_prefix));
}

Headers covered_headers(const Headers& headers, Purpose purpose) {
  Headers covered;
  for (const auto& [name, value] : headers) {
    // The name of this one is read in any case, that of the others as it is.
    auto folded = codec::ascii_lower(name);
    if (folded != content_type) folded = name;
    if (is_covered(folded, purpose)) covered.emplace_back(std::move(folded), value);
  }
  // Kafka keeps the order of headers, proxies and connectors may not.
  std::sort(covered.begin(), covered.end());
  return covered;
}

}  // namespace

bool is_key_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= key_id_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

std::string key_id_of(const crypto::VerifyingKey& key) {
  // Keyed by the key itself, because the plain hash of a weak secret could be guessed at.
  const auto digest = crypto::hmac_sha256(key.bytes(), {bytes_of("memseal/key-id/v1")});
  return to_hex(digest.data(), 10);
}

std::optional<Signature> parse_signature(std::string_view header) {
  if (header.size() > wire::signature_header_bytes_max || !header.starts_with(version))
    return std::nullopt;
  header.remove_prefix(version.size());
  const auto key_id = take_word(header);
  const auto time = time_of(take_word(header));
  auto bytes = codec::decode_base64(header, codec::Base64::url);
  if (!is_key_id(key_id) || !time || !bytes || bytes->empty()) return std::nullopt;
  return Signature{std::string(key_id), *time, std::move(*bytes)};
}

std::string format_signature(const Signature& signature) {
  return std::string(version) + signature.key_id + "." + std::to_string(signature.time_ms) + "." +
         codec::encode_base64(signature.bytes, codec::Base64::url);
}

std::string_view header_of(Purpose purpose) noexcept {
  return purpose == Purpose::event ? wire::signature_header : wire::replay_signature_header;
}

Bytes signed_message(const SignedEvent& event, Purpose purpose, std::string_view key_id,
                     std::int64_t time_ms) {
  const auto covered = covered_headers(event.headers, purpose);
  Bytes message;
  put(message, purpose == Purpose::event ? event_domain : replay_domain);
  put(message, key_id);
  put(message, std::to_string(time_ms));
  for (const auto field : {event.topic, event.key, event.id, event.source}) put(message, field);
  put(message, crypto::sha256(bytes_of(event.value)));
  put(message, std::to_string(covered.size()));
  for (const auto& [name, value] : covered) {
    put(message, name);
    put(message, value);
  }
  return message;
}

Signer::Signer(std::string key_id, crypto::SigningKey key)
    : key_id_(std::move(key_id)), key_(std::move(key)) {
  MEMSEAL_ASSERT(is_key_id(key_id_));
}

std::string Signer::sign(const SignedEvent& event, Purpose purpose, std::int64_t now_ms) const {
  const auto message = signed_message(event, purpose, key_id_, now_ms);
  return format_signature({key_id_, now_ms, key_.sign(message)});
}

void Signer::add_signature(std::string_view topic, std::string_view key, std::string_view id,
                           std::string_view source, std::string_view value, Headers& headers,
                           Purpose purpose, std::int64_t now_ms) const {
  std::erase_if(headers, [&](const auto& header) { return header.first == header_of(purpose); });
  auto signature = sign({topic, key, id, source, value, headers}, purpose, now_ms);
  headers.emplace_back(header_of(purpose), std::move(signature));
}

}  // namespace memseal::producers
