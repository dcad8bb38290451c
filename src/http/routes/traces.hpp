#pragma once
// What the routes add to the trace of their request.
#include "cases/index/submit.hpp"
#include "cases/query/answer.hpp"
#include "http/routes/call.hpp"

namespace memseal::http {

/// Tells of one stage of a query as a span of its own.
void trace_stage(Call& call, const query::StageReport& report);

/// What the submission of an event works with. The event carries the trace of the request.
index::IndexDeps index_deps(const Call& call);

}  // namespace memseal::http
