#pragma once
// One function a route.
#include "http/routes/call.hpp"

#include <optional>

namespace memseal::http {

// Answered at once, without I/O.
Response get_start_page(Call& call);
Response get_health(Call& call);
Response get_ready(Call& call);
Response get_version(Call& call);
Response get_openapi(Call& call);
Response get_metrics(Call& call);
Response get_memory_metrics(Call& call);
Response post_rerank_on(Call& call);
Response post_rerank_off(Call& call);
Response get_guard(Call& call);
Response post_guard_hold(Call& call);
Response post_guard_release(Call& call);
Response post_guard_mode(Call& call);

// Behind the token: call.who is set and call.body is read. An empty response means that a
// stream answered. What they throw becomes a problem, or `query.failed` in a stream.
asio::awaitable<std::optional<Response>> post_query(Call& call);
asio::awaitable<std::optional<Response>> post_index(Call& call);
asio::awaitable<std::optional<Response>> post_turns(Call& call);
asio::awaitable<std::optional<Response>> get_turns(Call& call);
asio::awaitable<std::optional<Response>> get_conversations(Call& call);
asio::awaitable<std::optional<Response>> get_documents(Call& call);
asio::awaitable<std::optional<Response>> get_document(Call& call);
asio::awaitable<std::optional<Response>> get_document_chunks(Call& call);
asio::awaitable<std::optional<Response>> delete_document(Call& call);
asio::awaitable<std::optional<Response>> delete_conversation(Call& call);
asio::awaitable<std::optional<Response>> get_operation(Call& call);
asio::awaitable<std::optional<Response>> get_me(Call& call);
asio::awaitable<std::optional<Response>> get_export(Call& call);
asio::awaitable<std::optional<Response>> delete_me(Call& call);
asio::awaitable<std::optional<Response>> post_file(Call& call);
asio::awaitable<std::optional<Response>> list_files(Call& call);
asio::awaitable<std::optional<Response>> get_file(Call& call);
asio::awaitable<std::optional<Response>> get_file_content(Call& call);
asio::awaitable<std::optional<Response>> get_file_chunks(Call& call);
asio::awaitable<std::optional<Response>> delete_file(Call& call);
asio::awaitable<std::optional<Response>> post_file_index(Call& call);
asio::awaitable<std::optional<Response>> post_rerank(Call& call);
asio::awaitable<std::optional<Response>> post_rerank_v2(Call& call);
asio::awaitable<std::optional<Response>> post_tei_rerank(Call& call);
asio::awaitable<std::optional<Response>> post_embeddings(Call& call);
asio::awaitable<std::optional<Response>> post_tei_embed(Call& call);
asio::awaitable<std::optional<Response>> get_tei_info(Call& call);
asio::awaitable<std::optional<Response>> get_models(Call& call);
asio::awaitable<std::optional<Response>> get_model(Call& call);
asio::awaitable<std::optional<Response>> get_rerank_metrics(Call& call);

/// Ends a stream that cannot be completed with `query.failed`.
asio::awaitable<void> fail_stream(Call& call, const Error& error);

/// The same answer for a resource that does not exist and for one of another user, so that clients
/// cannot probe for the latter.
Response not_found(const Call& call);

/// The body names another user than the token does.
Response user_mismatch(const Call& call);

/// A JSON answer.
Response json_response(int status, std::string body);

}  // namespace memseal::http
