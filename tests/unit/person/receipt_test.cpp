// A receipt is believed for what it says, whole and unchanged, and for nothing else.
#include "cases/person/receipt.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace memseal::person {
namespace {

crypto::SigningKey key(std::uint8_t fill) {
  const Bytes seed(32, fill);
  return crypto::SigningKey::from_bytes(crypto::SignatureAlgorithm::ed25519, seed).value();
}

UserHash user() {
  UserHash hash;
  hash.bytes.fill(0xab);
  return hash;
}

const ports::Erasure erasure{.at_ms = 1'790'000'000'123,
                             .documents = 1,
                             .conversations = 2,
                             .chunks = 3,
                             .operations = 4,
                             .keys = 5,
                             .files = 6,
                             .file_bytes = 7};

TEST(Receipt, SaysWhatWasErasedAndWhoSigned) {
  const auto text = make_receipt(user(), erasure, key(1));
  EXPECT_EQ(text, make_receipt(user(), erasure, key(1))) << "the same, said again";
  const auto receipt = parse_receipt(text + "\n");
  ASSERT_TRUE(receipt) << receipt.error().message;
  EXPECT_EQ(receipt->user, user());
  EXPECT_EQ(receipt->erasure, erasure);
  EXPECT_TRUE(is_signed_by(*receipt, key(1).verifying_key()));
  EXPECT_FALSE(is_signed_by(*receipt, key(2).verifying_key())) << "another deployment";
}

TEST(Receipt, AChangeOfAnyByteIsFoundOut) {
  const auto text = make_receipt(user(), erasure, key(1));
  const auto trusted = key(1).verifying_key();
  const auto genuine = parse_receipt(text).value();
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char other : {'0', '1', 'A', '"', ' '}) {
      auto changed = text;
      if (changed[at] == other) continue;
      changed[at] = other;
      const auto receipt = parse_receipt(changed);
      const bool same = receipt && receipt->user == genuine.user &&
                        receipt->erasure == genuine.erasure;
      EXPECT_TRUE(!receipt || same || !is_signed_by(*receipt, trusted)) << changed;
    }
}

TEST(Receipt, WhatIsNoReceiptIsRefused) {
  const auto good = make_receipt(user(), erasure, key(1));
  ASSERT_TRUE(parse_receipt(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const auto& bad :
       {std::string(), std::string("[]"), std::string("{}"), good + good, good.substr(1),
        std::string(receipt_bytes_max + 1, ' '), with("receipt/v1", "receipt/v2"),
        with("\"documents\":1", "\"documents\":-1"), with("\"documents\":1", "\"documents\":1.5"),
        with("\"documents\":1", "\"documents\":\"1\""), with("\"keys\":5,", ""),
        with("\"documents\":1", "\"documents\":1,\"note\":1"), with("abab", "aba"),
        with("abab", "zzzz"), with("2026-", "2026x"),
        with("\"public_key\":\"", "\"public_key\":\"A"),
        with("\"signature\":\"", "\"signature\":\"AAAA")})
    EXPECT_FALSE(parse_receipt(bad)) << bad.substr(0, 400);
}

}  // namespace
}  // namespace memseal::person
