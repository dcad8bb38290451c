#pragma once
// The span of a request. Names of attributes: OpenTelemetry's semantic conventions for HTTP 1.23.
// The path and the query are left out, because a path holds ids; the route has its template.
#include "http/server/session.hpp"

namespace memseal::http {

/// Empty without a tracer. The caller's own trace goes on where the head names it.
std::optional<runtime::Span> start_span(runtime::Tracer* tracer, const RequestHead& head);

/// Ends `exchange.span`, if there is one. `own_id`: the request id is this server's and not the
/// client's, so it may be told.
void end_span(Exchange& exchange, int status, bool own_id);

}  // namespace memseal::http
