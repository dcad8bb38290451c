#include "cases/ingest/dead_letter.hpp"

#include "cases/ingest/internal/sealed_record.hpp"

namespace memseal::ingest {

namespace {

const SealedKind& of_letters() {
  static const SealedKind kind{.envelope = "MSDL1",
                               .magic = "MSDL2",
                               .magic_of_old = "MSDL1",
                               .field = crypto::Field::dead_letter,
                               .purpose = "dead-letter"};
  return kind;
}

}  // namespace

Result<std::string> seal_dead_letter(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                     const Uuid& event_id, const ports::Record& record) {
  return seal_record(of_letters(), owner, key, event_id, record);
}

Result<ports::Record> open_dead_letter(const crypto::Tenant& owner, const crypto::TenantKey& key,
                                       const Uuid& event_id, std::string_view sealed) {
  return open_record(of_letters(), owner, key, event_id, sealed);
}

Result<std::uint32_t> dead_letter_key_id(std::string_view sealed) {
  return record_key_id(of_letters(), sealed);
}

std::vector<ports::OutRecord> letter_in_parts(const ports::OutRecord& letter,
                                              std::size_t part_bytes, std::string_view letter_id) {
  const auto count = (letter.value.size() + part_bytes - 1) / part_bytes;
  std::vector<ports::OutRecord> parts;
  for (std::size_t i = 0; i < count; ++i) {
    ports::OutRecord part{.channel = letter.channel,
                          .key = letter.key,
                          .value = letter.value.substr(i * part_bytes, part_bytes),
                          .headers = letter.headers,
                          .source_topic = letter.source_topic};
    part.headers.emplace_back(letter_header::letter_id, letter_id);
    part.headers.emplace_back(letter_header::part,
                              std::to_string(i + 1) + "/" + std::to_string(count));
    parts.push_back(std::move(part));
  }
  return parts;
}

std::string sentence_of(const Error& error) {
  return error.field.starts_with('/') ? error.field + " " + error.message : error.message;
}

crypto::Tenant nobody(const crypto::TenantKeyer& keyer) {
  // A user of this name would share the hash, not the key: the keyring's own is no tenant's.
  return keyer.tenant_of(UserId::parse("memseal/nobody").value());
}

}  // namespace memseal::ingest
