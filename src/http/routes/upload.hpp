#pragma once
// The body of POST /api/v1/knowledge/files: the file itself, or a form that holds it.
#include "cases/knowledge/intake.hpp"
#include "http/routes/call.hpp"

#include <string>

namespace memseal::http {

/// Reads the request and stores its file. Calls charge() once the head is known to be valid; the
/// answer of a request that is refused then is in `refused`.
/// Errors: those of the request and of knowledge::Intake. Throws BodyRefused, ConnectionLost and
/// Failure.
asio::awaitable<Result<knowledge::TakenFile>> receive_file(Call& call,
                                                           const knowledge::KnowledgeDeps& deps,
                                                           std::optional<Response>& refused);

}  // namespace memseal::http
