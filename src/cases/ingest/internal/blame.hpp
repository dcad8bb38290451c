#pragma once
// Whose fault a failed step may be. The allow-list is here: what it does not name is never an
// event's fault, and ingest waits for it.
#include "base/result.hpp"
#include "cases/ingest/metrics.hpp"

#include <cstddef>
#include <exception>

namespace memseal::ingest {

enum class Suspect {
  dependency,  ///< no event, whatever the check of the dependency says
  unclear,     ///< an event, if the failure comes again while the dependency works
  event,       ///< an event, if the dependency works
};

/// The sentence of a failure that no Error describes is ours, because what() may quote content.
Error error_of(const std::exception_ptr& failure);

/// Whom a failure with `code` in `stage` may blame.
///   event:      what the database, the embedder, the sealer or this program refuse for good
///               (Remedy::none), and a step that was late
///   unclear:    any other failure of the embedder, because some endpoints answer 4xx or 5xx to
///               a single text
///   dependency: all else (connections, locks, resources, grants, tables)
Suspect suspect_of(Stage stage, Errc code) noexcept;

/// Failures in a row, while the dependency works, after which `pieces` pieces of work are to blame.
/// More than one piece is then halved, and a single one is given up.
int failures_allowed(std::size_t pieces, Suspect suspect) noexcept;

}  // namespace memseal::ingest
