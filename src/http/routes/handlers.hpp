#pragma once
// One function per route.
#include "http/server/session.hpp"

#include <optional>

namespace memseal::http {

// Answered at once, without I/O.
Response get_health(Exchange& exchange);
Response get_ready(Exchange& exchange);
Response get_version(Exchange& exchange);
Response get_openapi(Exchange& exchange);
Response get_metrics(Exchange& exchange);
Response get_memory_metrics(Exchange& exchange);
Response post_rerank_on(Exchange& exchange);
Response post_rerank_off(Exchange& exchange);

// Behind the token: exchange.who is set and exchange.body is read. An empty response means that a
// stream answered. What they throw becomes a problem, or `query.failed` in a stream.
asio::awaitable<std::optional<Response>> post_query(Exchange& exchange);
asio::awaitable<std::optional<Response>> post_index(Exchange& exchange);
asio::awaitable<std::optional<Response>> get_operation(Exchange& exchange);
asio::awaitable<std::optional<Response>> post_rerank(Exchange& exchange);
asio::awaitable<std::optional<Response>> post_tei_rerank(Exchange& exchange);
asio::awaitable<std::optional<Response>> post_embeddings(Exchange& exchange);
asio::awaitable<std::optional<Response>> get_rerank_metrics(Exchange& exchange);

/// Ends a stream that cannot be completed with `query.failed`.
asio::awaitable<void> fail_stream(Exchange& exchange, const Error& error);

/// The same answer for what does not exist and for what is somebody else's.
Response not_found(const Exchange& exchange);

/// The body names another user than the token does.
Response user_mismatch(const Exchange& exchange);

/// A JSON answer.
Response json_response(int status, std::string body);

}  // namespace memseal::http
