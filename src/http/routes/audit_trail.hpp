#pragma once
// What the audit log says of a request.
#include "http/routes/call.hpp"

namespace memseal::http {

/// Writes that a guarded action is about to be done, and returns once the log has it. A route whose
/// Route::weight is `guarded` calls it after charge() and before the work.
/// Throws Outage{unavailable}: the action must then not be done.
asio::awaitable<void> record_begin(Call& call);

/// Notes how a request ended that was answered with `status`. Of a stranger, of a user whose bucket
/// is empty, and of a request that was refused before it was charged, nothing is noted, because
/// each could fill the log.
void record_end(Call& call, int status);

}  // namespace memseal::http
