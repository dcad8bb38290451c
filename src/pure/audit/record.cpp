#include "pure/audit/record.hpp"

#include "pure/codec/big_endian.hpp"

#include <algorithm>
#include <array>

namespace memseal::audit {

namespace {

using namespace std::string_view_literals;

// Each ends by NUL, so that none is the beginning of another.
constexpr auto of_tenant = "audit/tenant\0"sv, of_document = "audit/document\0"sv,
               of_link = "audit/link\0"sv;
constexpr std::array<std::string_view, 5> outcome_names{"begun", "done", "refused", "failed",
                                                        "gone"};

template <class Unsigned>
void append(Bytes& to, Unsigned number) {
  const auto bytes = codec::big_endian(number);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_sized(Bytes& to, ByteView bytes) {
  append(to, static_cast<std::uint32_t>(bytes.size()));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Bytes text_of_record(const Record& record) {
  Bytes text;
  text.reserve(256 + record.documents.size());
  text.insert(text.end(), record.chain.bytes.begin(), record.chain.bytes.end());
  append(text, static_cast<std::uint64_t>(record.seq));
  append(text, static_cast<std::uint64_t>(record.at_ms));
  append(text, static_cast<std::uint32_t>(record.status));
  append(text, static_cast<std::uint64_t>(record.count));
  for (const auto* field : {&record.action, &record.outcome, &record.tenant, &record.actor,
                            &record.address, &record.request_id})
    append_sized(text, bytes_of(*field));
  append_sized(text, record.documents);
  return text;
}

}  // namespace

std::string_view outcome_name(Outcome outcome) noexcept {
  return outcome_names[static_cast<std::size_t>(outcome)];
}

Outcome outcome_of(int status) noexcept {
  if (status == 499) return Outcome::gone;
  if (status >= 500) return Outcome::failed;
  return status >= 400 ? Outcome::refused : Outcome::done;
}

std::string Marks::tenant(const crypto::Tenant& who) const {
  const auto mark =
      crypto::hmac_sha256(root_.view(), {bytes_of(of_tenant), who.hash().bytes});
  return to_hex(mark.data(), 8);
}

Bytes Marks::document(const crypto::Tenant& who, std::string_view id) const {
  const auto mark = crypto::hmac_sha256(
      root_.view(), {bytes_of(of_document), who.hash().bytes, bytes_of(id)});
  return {mark.begin(), mark.begin() + document_mark_bytes};
}

crypto::Digest Marks::link(const crypto::Digest& previous, const Record& record) const {
  return crypto::hmac_sha256(root_.view(),
                             {bytes_of(of_link), previous, text_of_record(record)});
}

void hash_documents(const Marks& marks, Event& event) {
  event.count = std::max(event.count, static_cast<std::int64_t>(event.documents.size()));
  const auto named = std::min(event.documents.size(), documents_max);
  for (std::size_t i = 0; event.who && i < named; ++i) {
    const auto mark = marks.document(*event.who, event.documents[i]);
    event.marks.insert(event.marks.end(), mark.begin(), mark.end());
  }
  event.documents = {};
}

std::vector<Record> chained(const Marks& marks, ChainHead& head, const std::vector<Event>& events) {
  std::vector<Record> records;
  records.reserve(events.size());
  for (auto event : events) {
    hash_documents(marks, event);
    Record record{.chain = head.chain,
                  .seq = head.seq + 1,
                  .at_ms = event.at_ms,
                  .action = event.action,
                  .outcome = std::string(outcome_name(event.outcome)),
                  .status = event.status,
                  .tenant = event.who ? marks.tenant(*event.who) : std::string(),
                  .actor = event.actor,
                  .address = event.address,
                  .request_id = event.request_id,
                  .documents = std::move(event.marks),
                  .count = event.count};
    record.link = marks.link(head.link, record);
    head.seq = record.seq;
    head.link = record.link;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace memseal::audit
