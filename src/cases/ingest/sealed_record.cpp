#include "cases/ingest/internal/sealed_record.hpp"

#include "base/limits.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/big_endian.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/random.hpp"

#include <array>
#include <optional>
#include <vector>

namespace memseal::ingest {

namespace {

constexpr std::size_t salt_bytes = 16;
constexpr std::size_t parts_max = 4'096;
constexpr std::size_t headers_max = 4'096;

Error cannot_open() { return {Errc::open_failed, "the sealed record does not open"}; }

void put_u32(std::string& out, std::size_t value) {
  const auto bytes = codec::big_endian(static_cast<std::uint32_t>(value));
  out.append(bytes.begin(), bytes.end());
}

void put(std::string& out, std::string_view text) {
  put_u32(out, text.size());
  out.append(text);
}

/// Reads what put() wrote; every step may find the end too early.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool skip(std::string_view word) {
    if (word.empty() || !rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> take(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const auto found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
  }
  std::optional<std::uint32_t> u32() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(4);
    return value;
  }
  std::optional<std::string_view> text() {
    const auto size = u32();
    return size ? take(*size) : std::nullopt;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::string pack(std::string_view magic, const ports::Record& record) {
  std::string out(magic);
  put(out, record.key);
  put(out, record.value);
  put_u32(out, record.headers.size());
  for (const auto& [name, value] : record.headers) {
    put(out, name);
    put(out, value);
  }
  return out;
}

std::optional<ports::Record> unpack(std::string_view magic, std::string_view envelope) {
  Reader reader(envelope);
  if (!reader.skip(magic)) return std::nullopt;
  const auto key = reader.text();
  const auto value = reader.text();
  const auto count = reader.u32();
  if (!key || !value || !count || *count > headers_max) return std::nullopt;
  ports::Record record{.key = std::string(*key), .value = std::string(*value)};
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto name = reader.text();
    const auto content = reader.text();
    if (!name || !content) return std::nullopt;
    record.headers.emplace_back(*name, *content);
  }
  if (!reader.at_end()) return std::nullopt;
  return record;
}

std::string part_of(const SealedKind& kind, std::size_t parts) {
  auto name = std::string(kind.purpose) + "/" + std::to_string(parts);
  // The binding of each part names how many there are, so that a record without its last parts does
  // not open.
  return kind.topic.empty() ? name : name + "/" + kind.topic;
}

struct Sealed {
  std::string_view salt;                ///< empty: the key itself sealed the parts
  std::vector<std::string_view> parts;  ///< in order
};

/// Without parts when the record was not sealed so.
Sealed read_sealed(const SealedKind& kind, std::string_view bytes) {
  Reader reader(bytes);
  Sealed sealed;
  if (reader.skip(kind.magic)) {
    const auto salt = reader.take(salt_bytes);
    if (!salt) return {};
    sealed.salt = *salt;
  } else if (!reader.skip(kind.magic_of_old)) {
    return {};
  }
  const auto count = reader.u32();
  if (!count || *count > parts_max) return {};
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto part = reader.text();
    if (!part) return {};
    sealed.parts.push_back(*part);
  }
  return reader.at_end() ? sealed : Sealed{};
}

crypto::TenantKey key_of_record(const SealedKind& kind, const crypto::TenantKey& key,
                                std::string_view salt) {
  // A key of its own for each record: whoever floods the topic decides how many records there are,
  // and one key may seal 2^28 times only.
  if (salt.empty()) return {key.id, key.key.clone()};
  auto purpose = "memseal/" + std::string(kind.purpose) + "/v1";
  purpose += salt;
  return {key.id, crypto::derive_key(key.key.view(), purpose)};
}

}  // namespace

Result<std::string> seal_record(const SealedKind& kind, const crypto::Tenant& owner,
                                const crypto::TenantKey& key, const Uuid& object,
                                const ports::Record& record) {
  auto envelope = pack(kind.envelope, record);
  const OnExit clean([&] { wipe(envelope.data(), envelope.size()); });
  const auto count = (envelope.size() + limits::seal_bytes_max - 1) / limits::seal_bytes_max;
  if (count > parts_max || record.headers.size() > headers_max)
    return Error{Errc::seal_failed, "the record is too large to seal"};
  const auto doc_id = part_of(kind, count);
  std::array<std::uint8_t, salt_bytes> random{};
  crypto::fill_random(random);
  const std::string_view salt{reinterpret_cast<const char*>(random.data()), random.size()};
  const auto own_key = key_of_record(kind, key, salt);
  std::string out(kind.magic);
  out += salt;
  put_u32(out, count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto part = std::string_view(envelope).substr(i * limits::seal_bytes_max,
                                                        limits::seal_bytes_max);
    const crypto::SealBinding place{object, doc_id, static_cast<std::uint32_t>(i)};
    auto sealed = crypto::Sealer::seal(owner, own_key, kind.field, place, bytes_of(part));
    if (!sealed) return sealed.error();
    put(out, {reinterpret_cast<const char*>(sealed->data()), sealed->size()});
  }
  return out;
}

Result<ports::Record> open_record(const SealedKind& kind, const crypto::Tenant& owner,
                                  const crypto::TenantKey& key, const Uuid& object,
                                  std::string_view sealed) {
  const auto [salt, parts] = read_sealed(kind, sealed);
  const auto doc_id = part_of(kind, parts.size());
  const auto own_key = key_of_record(kind, key, salt);
  // Reserved, because growing would leave copies of the text in freed memory.
  std::string envelope;
  envelope.reserve(sealed.size());
  const OnExit clean([&] { wipe(envelope.data(), envelope.size()); });
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const crypto::SealBinding place{object, doc_id, static_cast<std::uint32_t>(i)};
    const auto plain = crypto::Sealer::open(owner, own_key, kind.field, place, bytes_of(parts[i]));
    if (!plain) return cannot_open();
    envelope.append(reinterpret_cast<const char*>(plain->view().data()), plain->size());
  }
  auto record = unpack(kind.envelope, envelope);
  if (!record) return cannot_open();
  return std::move(*record);
}

Result<std::uint32_t> record_key_id(const SealedKind& kind, std::string_view sealed) {
  const auto parts = read_sealed(kind, sealed).parts;
  if (parts.empty()) return cannot_open();
  const auto id = crypto::Sealer::key_id_of(bytes_of(parts.front()));
  if (!id) return cannot_open();
  return *id;
}

}  // namespace memseal::ingest
