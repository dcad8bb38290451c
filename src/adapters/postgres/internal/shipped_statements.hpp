#pragma once
// Every statement that the service sends to the tables of tenants, for the proofs about them
// (verify.hpp). A test compares the list with the sources.
#include "adapters/postgres/internal/connection.hpp"

#include <vector>

namespace memseal::postgres {

// One function a source file that defines statements; each lies in that file.
std::vector<Statement> search_statements();
std::vector<Statement> operation_statements();
std::vector<Statement> key_statements();
std::vector<Statement> key_table_statements();
std::vector<Statement> sealed_row_statements();
std::vector<Statement> store_statements();
std::vector<Statement> tenant_row_statements();
std::vector<Statement> look_statements();
std::vector<Statement> event_statements();
std::vector<Statement> chunk_statements();
std::vector<Statement> replay_statements();
std::vector<Statement> turn_statements();
std::vector<Statement> memory_statements();
std::vector<Statement> deletion_statements();
std::vector<Statement> matrix_statements();
std::vector<Statement> file_statements();
std::vector<Statement> person_statements();
std::vector<Statement> term_statements();
std::vector<Statement> stored_vector_statements();
std::vector<Statement> row_rewrite_statements();

/// All of them.
std::vector<Statement> shipped_statements();

}  // namespace memseal::postgres
