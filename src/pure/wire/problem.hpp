#pragma once
// Errors as clients read them (RFC 9457). Status, title and retry come from base/errc.hpp.
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace memseal::wire {

/// An `application/problem+json` body: type, title, status, detail, code, request_id, retryable,
/// and field where known.
/// NOTE: the title replaces the detail for codes of Severity::error, so that no internals leave,
/// and for not_found and unauthenticated, so that all their causes look alike.
std::string problem_json(const Error& error, std::string_view request_id);

}  // namespace memseal::wire
