#pragma once
// The columns of a chunk as a reader wants them, and the candidate that they make.
#include "pure/crypto/sealer.hpp"

#include <pqxx/pqxx>

namespace memseal::postgres {

/// The select list of a chunk; `row` is the table's alias, `distance` and `text` are expressions.
#define MEMSEAL_CANDIDATE_COLUMNS(row, distance, text)                                     \
  row ".id, " row ".doc_id, " row ".source, " row ".chunk_index, " row ".char_start, " row \
      ".char_end, " row ".tags, (extract(epoch FROM " row ".created_at) * 1000)::bigint, " \
      distance ", " text ", " row ".meta_cipher"

inline constexpr int candidate_columns = 11;  ///< how many columns that makes

/// REQUIRES: `row` begins with MEMSEAL_CANDIDATE_COLUMNS.
crypto::SealedCandidate candidate_of(const pqxx::row& row);

}  // namespace memseal::postgres
