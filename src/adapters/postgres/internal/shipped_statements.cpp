#include "adapters/postgres/internal/shipped_statements.hpp"

namespace memseal::postgres {

std::vector<Statement> shipped_statements() {
  std::vector<Statement> all;
  for (const auto& some : {search_statements(), operation_statements(), key_statements(),
                           store_statements(), tenant_row_statements(), look_statements(),
                           event_statements(), chunk_statements(), replay_statements(),
                           turn_statements(), memory_statements(), deletion_statements(),
                           matrix_statements(), file_statements(), person_statements(),
                           term_statements(), stored_vector_statements(),
                           key_table_statements(), sealed_row_statements(),
                           row_rewrite_statements()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

}  // namespace memseal::postgres
