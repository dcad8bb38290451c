// Any receipt: what is accepted and signed again says the same.
#include "base/assert.hpp"
#include "cases/person/receipt.hpp"

#include <cstdint>
#include <string_view>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto key =
      crypto::SigningKey::from_bytes(crypto::SignatureAlgorithm::ed25519, Bytes(32, 1)).value();
  const auto receipt = person::parse_receipt({reinterpret_cast<const char*>(data), size});
  if (!receipt) return 0;
  const auto again =
      person::parse_receipt(person::make_receipt(receipt->user, receipt->erasure, key));
  MEMSEAL_ASSERT(again && again->user == receipt->user && again->erasure == receipt->erasure);
  MEMSEAL_ASSERT(person::is_signed_by(*again, key.verifying_key()));
  return 0;
}
