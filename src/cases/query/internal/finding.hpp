#pragma once
#include "cases/query/internal/opener.hpp"

namespace memseal::query {

/// The candidates of an answer, nearest first; where words were compared, best first.
struct Found {
  std::vector<crypto::SealedCandidate> rows;
  std::vector<std::size_t> questions;        ///< which question each row is nearest to
  std::optional<ports::SearchPlace> last;    ///< of the search order, as far as it was read
  bool more = false;                         ///< the order goes on behind `last`
  bool complete = true;                      ///< see Summary::complete
  std::vector<Uuid> ahead = {};              ///< candidates behind `last`
  bool hybrid = false;                       ///< words were compared
};

/// Finds the candidates of all questions; `vectors` are theirs. Of a passage that several find the
/// nearest counts. Throws Failure.
asio::awaitable<Found> find_candidates(QueryDeps& deps, const runtime::RequestContext& context,
                                       const crypto::Tenant& who, const Question& question,
                                       std::vector<ports::QueryVector> vectors, Opener& opener);

}  // namespace memseal::query
