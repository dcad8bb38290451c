#pragma once
// How a route that submits something waits for its operation and answers with it.
#include "http/routes/call.hpp"
#include "http/routes/wait_preference.hpp"
#include "ports/operations.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <string>

namespace memseal::http {

/// The operation as clients read it.
boost::json::object operation_json(const ports::Operation& operation);
/// The operation as JSON, in the member `operation`, beside what `more` holds.
Response operation_response(int status, const ports::Operation& operation,
                            boost::json::object more = {});

/// The key that makes repeated requests one event; empty without the field. Reads a quoted string
/// (RFC 8941), as the draft of the field asks, and a bare one, as most clients send it.
/// Error: bad_request.
Result<std::string> idempotency_key_of(const RequestHead& head);

/// Waits for the end of `operation`, `time` at most, where this server grants a wait. Returns
/// whether it does. REQUIRES: Call::accepted answers where the wait is cut short.
asio::awaitable<bool> wait_as_asked(Call& call, ports::Operation& operation,
                                    std::chrono::seconds time);

/// Waits for the end of `operation` as far as `wait` asks and this server grants, then answers: 200
/// when the operation has ended, else 202.
asio::awaitable<Response> answer_when_ended(Call& call, ports::Operation operation,
                                            WaitPreference wait, boost::json::object more);

}  // namespace memseal::http
