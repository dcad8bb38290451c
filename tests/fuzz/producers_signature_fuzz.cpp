// What strangers write of signatures and keys, and what a clumsy hand writes of producers: the
// header of a record, a key file, a registry. What is accepted reads back as it was; a signature of
// a stranger is never accepted by the gate.
#include "base/assert.hpp"
#include "pure/producers/gate.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace memseal;
using namespace memseal::producers;

void read_header(std::string_view text) {
  const auto signature = parse_signature(text);
  if (!signature) return;
  MEMSEAL_ASSERT(is_key_id(signature->key_id) && signature->time_ms > 0);
  MEMSEAL_ASSERT(format_signature(*signature) == text);
}

void read_registry(std::string_view text) {
  const auto registry = Registry::parse(text);
  if (!registry) {
    MEMSEAL_ASSERT(registry.error().code == Errc::bad_config);
    return;
  }
  const auto again = Registry::parse(registry->file());
  MEMSEAL_ASSERT(again && again->file() == registry->file());
  for (const auto& producer : registry->producers())
    for (const auto& key : producer.keys)
      MEMSEAL_ASSERT(registry->find(key.id)->producer.name == producer.name);
}

void read_key_file(std::string_view text) {
  const auto key = crypto::SigningKey::parse(text);
  const auto verifying = crypto::VerifyingKey::parse(text);
  if (!key) {
    MEMSEAL_ASSERT(key.error().code == Errc::key_invalid);
    return;
  }
  MEMSEAL_ASSERT(verifying && std::ranges::equal(verifying->bytes(), key->verifying_key().bytes()));
}

/// The input as the headers of a record: name=value, one a line.
void ask_gate(std::string_view text) {
  static const Gate gate = [] {
    const Bytes secret(32, 7);
    auto mixed = secret;
    mixed[0] = 1;
    return Gate(
        crypto::VerifyingKey::from_bytes(crypto::SignatureAlgorithm::hmac_sha256, mixed).value(),
        {});
  }();
  Headers headers;
  while (!text.empty() && headers.size() < 64) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto equals = std::min(line.find('='), line.size());
    headers.emplace_back(line.substr(0, equals), line.substr(std::min(equals + 1, line.size())));
  }
  const auto verdict = gate.judge({.event = {"t", "u", "i", "s", "v", headers},
                                   .user = "u",
                                   .record_time_ms = 1'764'326'400'000,
                                   .has_broker_time = true},
                                  1'764'326'400'000);
  MEMSEAL_ASSERT(verdict != Verdict::accepted);
  error_of(verdict);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_header(text);
  read_registry(text);
  read_key_file(text);
  ask_gate(text);
  return 0;
}
