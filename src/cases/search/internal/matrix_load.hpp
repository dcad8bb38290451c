#pragma once
#include "cases/search/internal/matrix_cache.hpp"
#include "cases/search/internal/term_opener.hpp"

namespace memseal::search {

/// The tenant's matrix of the state that the snapshot shows: the copy, brought up to date where it
/// is not. Null where there is none: the database must compare.
/// `opener` opens the terms; null: they are not wanted. Where it lacks a key the answer is null.
MatrixPtr current_matrix(MatrixCache& cache, const crypto::Tenant& owner, ports::MatrixRows& rows,
                         const ports::TenantState& state, std::size_t dimension,
                         TermOpener* opener);

}  // namespace memseal::search
