// Tokens and key sets from hostile hands. The first byte says how far in the rest begins: as a
// whole token, as claims, as header and claims (both genuinely signed, to get behind the
// signature), or as a JWK Set.
#include "base/assert.hpp"
#include "pure/crypto/internal/jws.hpp"
#include "pure/crypto/token.hpp"

#include <array>

namespace {

using namespace memseal;
using namespace memseal::crypto;

constexpr std::int64_t now_s = 1'800'000'000;
constexpr std::array<std::uint8_t, 32> key{1, 2, 3, 4, 5, 6, 7, 8};

// Another key than the one that signs below: nothing that a fuzzer finds is genuine under it.
constexpr std::array<std::uint8_t, 32> key_nobody_has{0x5e, 0xa1, 0xed, 9, 9, 9};

void verify(const TokenVerifier& by, std::string_view token) {
  const char* why = nullptr;
  const auto claims = by.verify(token, now_s, &why);
  if (!claims) {
    MEMSEAL_ASSERT(claims.error().code == Errc::unauthenticated && why != nullptr);
    return;
  }
  MEMSEAL_ASSERT(!claims->subject.value().empty());
  MEMSEAL_ASSERT(claims->expires_s + 30 > now_s && claims->expires_s <= now_s + 604'830);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto ours = TokenVerifier::hs256(key, {}).value();
  static const auto strict =
      TokenVerifier::hs256(key, {.issuer = "us", .audience = "memseal"}).value();
  static const auto others = TokenVerifier::hs256(key_nobody_has, {}).value();
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case '0': {
      verify(ours, rest);
      MEMSEAL_ASSERT(!others.verify(rest, now_s));
      break;
    }
    case '1':
      verify(ours, sign_hs256(key, R"({"alg":"HS256"})", rest));
      verify(strict, sign_hs256(key, R"({"alg":"HS256"})", rest));
      break;
    case '2': {
      const auto cut = rest.find('\n');
      if (cut == std::string_view::npos) break;
      verify(ours, sign_hs256(key, rest.substr(0, cut), rest.substr(cut + 1)));
      break;
    }
    default: {
      const auto set = TokenVerifier::jwks(rest, {});
      MEMSEAL_ASSERT(set || set.error().code == Errc::key_invalid);
    }
  }
  return 0;
}
