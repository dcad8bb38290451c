#include "cases/search/internal/matrix_load.hpp"

#include "cases/search/internal/matrix_builder.hpp"
#include "runtime/observe.hpp"

namespace memseal::search {

namespace {

MatrixPtr load_matrix(MatrixCache& cache, const crypto::Tenant& owner, ports::MatrixRows& rows,
                      const ports::TenantState& state, std::size_t dimension, TermOpener* opener,
                      MatrixPtr old, MatrixCache::Turn& turn) {
  const auto start = runtime::Clock::now();
  auto& metrics = cache.metrics();
  MatrixBuilder builder(owner, old, state.chunks);
  const auto admits = [&](std::size_t bytes) { return turn.reserve(bytes); };
  const bool has_room = builder.read(rows, dimension, admits, opener);
  if (opener && opener->wanted()) return nullptr;
  (old ? metrics.loads_delta : metrics.loads_full).Increment();
  if (!has_room) {
    // An older copy that finds no room to be renewed is of no more use.
    if (old) cache.drop(owner, MatrixCache::Cause::room);
    cache.avoid(owner, cache.options().unfit_for);
    return nullptr;
  }
  auto made = builder.finish(state);
  runtime::observe_since(metrics.load_s, start);
  metrics.chunks_without_terms.Increment(static_cast<double>(builder.without_terms()));
  if (made->fits())
    turn.keep(made);
  else
    cache.avoid(owner, cache.options().unfit_for);
  return made;
}

}  // namespace

MatrixPtr current_matrix(MatrixCache& cache, const crypto::Tenant& owner, ports::MatrixRows& rows,
                         const ports::TenantState& state, std::size_t dimension,
                         TermOpener* opener) {
  auto matrix = cache.find(owner);
  if (matrix && matrix->version() == state.version) {
    cache.metrics().hits.Increment();
    return matrix;
  }
  if (matrix && matrix->version().count > state.version.count) return nullptr;  // old snapshot
  if (state.chunks < cache.options().chunks_min) {
    cache.avoid(owner, cache.options().small_for);
    return nullptr;
  }
  const auto wanted = MatrixBuilder::bytes_of(state.chunks, dimension, opener != nullptr);
  const auto has = matrix ? matrix->bytes() : 0;
  auto turn = cache.take_turn(owner, wanted > has ? wanted - has : 0);
  if (!turn) return nullptr;
  return load_matrix(cache, owner, rows, state, dimension, opener, std::move(matrix), *turn);
}

}  // namespace memseal::search
