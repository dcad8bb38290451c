#pragma once
// The one table from error code to what a client, a retry loop and a log see (RFC 9457).
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace memseal::wire {

enum class Severity { debug, info, warn, error };

/// How one Errc looks from outside.
struct ProblemKind {
  int http_status;
  std::string_view title;
  bool retryable;     ///< the same request may succeed later
  Severity severity;  ///< at which level the log records it
};

/// Total: every Errc has a row.
const ProblemKind& problem_kind(Errc code) noexcept;

/// An `application/problem+json` body: type, title, status, detail, code, request_id, retryable,
/// field where known. For codes of severity error the detail is replaced by the title, so no
/// internals leave; likewise for not_found and unauthenticated, so that all their causes look
/// alike.
std::string problem_json(const Error& error, std::string_view request_id);

}  // namespace memseal::wire
