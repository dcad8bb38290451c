#pragma once
// The receipt of an erasure: what was destroyed and when, signed (Ed25519, RFC 8032).
//
//   {"receipt":"memseal/erasure-receipt/v1","user_hash":"<64 hex>","erased_at":"<RFC 3339>",
//    "documents":n,"conversations":n,"chunks":n,"operations":n,"keys":n,"files":n,"file_bytes":n,
//    "public_key":"<base64url>","signature":"<base64url>"}
//
// Signed are these lines, each ended by LF, numbers in decimal: the value of `receipt`, user_hash,
// the time in Unix milliseconds, then the seven counts in the order above.
#include "ports/person_store.hpp"
#include "pure/crypto/signing_key.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace memseal::person {

inline constexpr std::size_t receipt_bytes_max = 4'096;

struct Receipt {
  UserHash user;
  ports::Erasure erasure;
  Bytes public_key;  ///< of whoever signed; says nothing about whom to trust
  Bytes signature;
};

/// The text of the receipt, one line of JSON. The same erasure gives the same text.
std::string make_receipt(const UserHash& user, const ports::Erasure& erasure,
                         const crypto::SigningKey& key);
/// Reads a receipt and verifies nothing. Error: bad_json, invalid_field.
Result<Receipt> parse_receipt(std::string_view text);
/// Whether the holder of `trusted` signed this receipt.
bool is_signed_by(const Receipt& receipt, const crypto::VerifyingKey& trusted);

}  // namespace memseal::person
