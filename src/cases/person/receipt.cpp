#include "cases/person/receipt.hpp"

#include "pure/codec/base64.hpp"
#include "pure/codec/hex.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::person {

namespace {

namespace json = boost::json;

constexpr std::string_view kind = "memseal/erasure-receipt/v1";
constexpr std::size_t members = 12;

struct Count {
  const char* name;
  std::int64_t ports::Erasure::*value;
};
constexpr std::array counts{Count{"documents", &ports::Erasure::documents},
                            Count{"conversations", &ports::Erasure::conversations},
                            Count{"chunks", &ports::Erasure::chunks},
                            Count{"operations", &ports::Erasure::operations},
                            Count{"keys", &ports::Erasure::keys},
                            Count{"files", &ports::Erasure::files},
                            Count{"file_bytes", &ports::Erasure::file_bytes}};

std::string signed_text(const UserHash& user, const ports::Erasure& erasure) {
  std::string text(kind);
  text += '\n' + user.to_hex() + '\n' + std::to_string(erasure.at_ms) + '\n';
  for (const auto& count : counts) text += std::to_string(erasure.*count.value) + '\n';
  return text;
}

Error invalid(const char* field) {
  return {Errc::invalid_field, std::string("the receipt's ") + field + " is not valid", field};
}

/// The member `name` that is a text; empty for any other.
std::string_view text_in(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::optional<Bytes> base64_in(const json::object& object, const char* name, std::size_t size) {
  auto bytes = codec::decode_base64(text_in(object, name), codec::Base64::url);
  if (!bytes || bytes->size() != size) return std::nullopt;
  return bytes;
}

}  // namespace

std::string make_receipt(const UserHash& user, const ports::Erasure& erasure,
                         const crypto::SigningKey& key) {
  const auto signature = key.sign(bytes_of(signed_text(user, erasure)));
  json::object receipt{{"receipt", kind},
                       {"user_hash", user.to_hex()},
                       {"erased_at", codec::format_rfc3339(erasure.at_ms)}};
  for (const auto& count : counts) receipt[count.name] = erasure.*count.value;
  receipt["public_key"] =
      codec::encode_base64(key.verifying_key().bytes(), codec::Base64::url);
  receipt["signature"] = codec::encode_base64(signature, codec::Base64::url);
  return codec::compact_json(receipt);
}

Result<Receipt> parse_receipt(std::string_view text) {
  if (text.size() > receipt_bytes_max) return Error{Errc::bad_json, "the receipt is too long"};
  const auto value = codec::parse_json(text, Errc::bad_json);
  if (!value) return value.error();
  const auto* object = value->if_object();
  if (object == nullptr) return Error{Errc::bad_json, "the receipt is not a JSON object"};
  if (text_in(*object, "receipt") != kind) return invalid("receipt");
  // What is not signed must not stand in it.
  if (object->size() != members) return Error{Errc::invalid_field, "the receipt has other members"};
  Receipt receipt;
  const auto hash_text = text_in(*object, "user_hash");
  const auto hash = codec::decode_hex(hash_text);
  if (!hash || hash->size() != receipt.user.bytes.size()) return invalid("user_hash");
  std::copy(hash->begin(), hash->end(), receipt.user.bytes.begin());
  const auto at_ms = codec::parse_rfc3339(text_in(*object, "erased_at"));
  if (!at_ms) return invalid("erased_at");
  receipt.erasure.at_ms = *at_ms;
  for (const auto& count : counts) {
    const auto* number = object->if_contains(count.name);
    if (number == nullptr || !number->is_int64() || number->get_int64() < 0)
      return invalid(count.name);
    receipt.erasure.*count.value = number->get_int64();
  }
  auto key = base64_in(*object, "public_key", crypto::ed25519_key_bytes);
  if (!key) return invalid("public_key");
  receipt.public_key = std::move(*key);
  auto signature = base64_in(*object, "signature", 2 * crypto::ed25519_key_bytes);
  if (!signature) return invalid("signature");
  receipt.signature = std::move(*signature);
  return receipt;
}

bool is_signed_by(const Receipt& receipt, const crypto::VerifyingKey& trusted) {
  return std::ranges::equal(receipt.public_key, trusted.bytes()) &&
         trusted.verify(bytes_of(signed_text(receipt.user, receipt.erasure)), receipt.signature);
}

}  // namespace memseal::person
