#include "adapters/postgres/internal/stored_vectors.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

#include <map>

namespace memseal::postgres {

namespace {

// IS TRUE keeps the planner from making a join of it, for which the role has no hash: each row of
// a document would then be compared with each MAC. So PostgreSQL puts the MACs into a hash table
// and reads the rows once.
// At most one row a MAC, because a document has each once (crypto::ChunkHeader::embed_mac), and it
// is of one document alone.
constexpr Statement stored_vectors{
    "vectors_stored",
    "SELECT c.embed_mac, ${vector}.halfvec_send(c.embedding) FROM app.memory_chunks c "
    "WHERE c.user_hash = (SELECT app.tenant()) AND c.doc_id = ANY ($1::text[]) "
    "AND c.source <> 'chat' AND (c.embed_mac IN (SELECT unnest($2::uuid[]))) IS TRUE"};

}  // namespace

std::vector<std::vector<ports::Embedding>> read_stored_vectors(
    TenantTx& tx, const std::vector<ports::VectorsKey>& keys) {
  ArrayBuilder doc_ids(oid::text), macs(oid::uuid);
  for (const auto& key : keys) {
    doc_ids.add(std::string_view(key.doc_id.value()));
    for (const auto& mac : key.macs) macs.add(mac);
  }
  const auto rows =
      tx.exec(stored_vectors, pqxx::params{binary(doc_ids.bytes()), binary(macs.bytes())});
  std::map<std::string, ports::Embedding, std::less<>> found;
  for (const auto& row : rows) found.emplace(row[0].c_str(), parse_halfvec(row[1].view()));
  std::vector<std::vector<ports::Embedding>> answers;
  for (const auto& key : keys) {
    auto& vectors = answers.emplace_back(key.macs.size());
    for (std::size_t i = 0; i < key.macs.size(); ++i)
      if (const auto at = found.find(key.macs[i].to_string()); at != found.end())
        vectors[i] = at->second;
  }
  return answers;
}

std::vector<Statement> stored_vector_statements() { return {stored_vectors}; }

}  // namespace memseal::postgres
