#include "adapters/postgres/internal/term_rows.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"

#include <span>

namespace memseal::postgres {

namespace {

constexpr std::size_t term_statement_bytes = 1u << 20;

constexpr Statement insert_blocks{
    "terms_insert",
    "INSERT INTO app.term_blocks (user_hash, first_chunk, doc_id, cipher) "
    "SELECT $1, t.first_chunk, t.doc_id, t.cipher FROM (SELECT unnest($2::uuid[]) AS first_chunk, "
    "unnest($3::text[]) AS doc_id, unnest($4::bytea[]) AS cipher) AS t "
    "ON CONFLICT (user_hash, first_chunk) DO NOTHING"};

}  // namespace

void insert_terms(TenantTx& tx, const std::vector<const crypto::SealedTerms*>& terms) {
  std::span<const crypto::SealedTerms* const> rest(terms);
  while (!rest.empty()) {
    ArrayBuilder first_chunk(oid::uuid), doc_id(oid::text), cipher(oid::bytea);
    for (std::size_t bytes = 0; !rest.empty() && bytes < term_statement_bytes;
         rest = rest.subspan(1)) {
      const auto& block = *rest.front();
      first_chunk.add(block.first_chunk());
      doc_id.add(std::string_view(block.doc_id().value()));
      cipher.add(ByteView(block.cipher()));
      bytes += block.cipher().size();
    }
    tx.exec(insert_blocks, pqxx::params{tx.user_hash(), binary(first_chunk.bytes()),
                                        binary(doc_id.bytes()), binary(cipher.bytes())});
  }
}

std::vector<Statement> term_statements() { return {insert_blocks}; }

}  // namespace memseal::postgres
