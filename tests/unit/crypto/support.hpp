#pragma once
// What the tests of this module share: tenants, keys, vectors.
#include "pure/codec/base64.hpp"
#include "pure/codec/hex.hpp"
#include "pure/crypto/internal/bytes.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace memseal::crypto::testing {

namespace json = boost::json;

inline SecretBytes key_of(std::uint8_t seed, std::size_t size = 32) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(seed + 7 * i);
  return SecretBytes(ByteView(bytes));
}

inline Tenant tenant(std::string_view user) {
  static const TenantKeyer keyer(key_of(1));
  return keyer.tenant_of(UserId::parse(user).value());
}

inline TenantKey tenant_key(std::uint32_t id = 1, std::uint8_t seed = 2) {
  return {id, key_of(seed)};
}

inline Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

inline Bytes from_hex(std::string_view text) { return codec::decode_hex(text).value(); }

inline std::string hex(ByteView data) { return to_hex(data.data(), data.size()); }

inline std::string_view text(const json::value& object, std::string_view name) {
  const auto& string = object.at(name).as_string();
  return {string.data(), string.size()};
}

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream) << file;
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline json::value read_json(const std::filesystem::path& file) {
  return json::parse(read_file(file));
}

/// One file of Project Wycheproof's vectors.
inline json::value wycheproof(std::string_view file) {
  return read_json(std::filesystem::path(MEMSEAL_SOURCE_DIR "/tests/data/wycheproof") / file);
}

}  // namespace memseal::crypto::testing
