// Dead letters and sealed events come from Kafka: hostile bytes until their tags are verified.
#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/sealed_event.hpp"

#include <cstdlib>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::TenantKeyer keyer{SecretBytes(Bytes(32, 1))};
  static const crypto::Tenant owner = ingest::nobody(keyer);
  static const crypto::TenantKey key{1, SecretBytes(Bytes(32, 2))};
  const std::string_view input(reinterpret_cast<const char*>(data), size);

  // What was not sealed never opens.
  (void)ingest::dead_letter_key_id(input);
  if (ingest::open_dead_letter(owner, key, Uuid{}, input)) std::abort();

  ports::Record hostile{.topic = "t", .key = owner.hash().to_hex(), .value = std::string(input)};
  hostile.headers = {{"memseal-event-id", "01020304-0506-8708-890a-0b0c0d0e0f10"}};
  if (const auto what = ingest::read_sealed_event(hostile))
    if (ingest::open_event(owner, key, *what, hostile)) std::abort();

  // Whatever is sealed comes back as it was.
  const auto half = size / 2;
  ports::Record record{.key = std::string(input.substr(0, half)),
                       .value = std::string(input.substr(half))};
  record.headers.emplace_back(record.value.substr(0, 16), record.key);
  const auto sealed = ingest::seal_dead_letter(owner, key, Uuid{}, record);
  if (!sealed) std::abort();
  const auto back = ingest::open_dead_letter(owner, key, Uuid{}, *sealed);
  if (!back || back->key != record.key || back->value != record.value ||
      back->headers != record.headers)
    std::abort();
  return 0;
}
