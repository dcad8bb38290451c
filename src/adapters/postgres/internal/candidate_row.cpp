#include "adapters/postgres/internal/candidate_row.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/origin_column.hpp"

namespace memseal::postgres {

crypto::SealedCandidate candidate_of(const pqxx::row& row) {
  crypto::SealedCandidate found;
  found.id = Uuid::parse(row[0].view()).value();
  found.doc_id = row[1].c_str();
  found.origin = origin_in_row(row[2].view());
  found.chunk_index = row[3].as<std::int32_t>();
  found.char_start = row[4].as<std::int32_t>();
  found.char_end = row[5].as<std::int32_t>();
  found.tags = parse_text_array(row[6].view());
  found.created_at_ms = row[7].as<std::int64_t>();
  found.distance = row[8].as<float>();
  found.text_cipher = parse_bytea(row[9].view());
  found.meta_cipher = parse_bytea(row[10].view());
  return found;
}

}  // namespace memseal::postgres
