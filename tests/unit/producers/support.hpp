#pragma once
// Keys, producers and events that the tests of this module share.
#include "pure/codec/hex.hpp"
#include "pure/producers/gate.hpp"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <fstream>
#include <iterator>
#include <string>

namespace memseal::producers::testing {

namespace json = boost::json;

inline json::value read_json(const char* path) {
  std::ifstream file(path);
  return json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
}

inline json::value vectors() {
  return read_json(MEMSEAL_SOURCE_DIR "/tests/unit/producers/signature_vectors.json");
}

inline std::string text(const json::value& object, std::string_view name) {
  return std::string(object.at(name).as_string());
}

inline Bytes from_hex(std::string_view text) { return codec::decode_hex(text).value(); }

inline crypto::SigningKey signing_key(
    std::uint8_t seed, crypto::SignatureAlgorithm algorithm = crypto::SignatureAlgorithm::ed25519) {
  Bytes bytes(32);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(seed + i);
  return crypto::SigningKey::from_bytes(algorithm, bytes).value();
}

inline Signer signer_of(const crypto::SigningKey& key) {
  return {key_id_of(key.verifying_key()), key};
}

/// "crm" may write as /crm for acme:… to memory.upload.v1.
inline Producer crm(const crypto::SigningKey& key) {
  Producer producer{.name = "crm",
                    .tenants = {"acme:*", "solo"},
                    .sources = {"/crm"},
                    .topics = {"memory.upload.v1"},
                    .keys = {}};
  producer.keys.push_back({key_id_of(key.verifying_key()), key.verifying_key()});
  return producer;
}

}  // namespace memseal::producers::testing
