#include "http/routes/handlers.hpp"
#include "http/routes/router.hpp"
#include "http/routes/wait_preference.hpp"

#include <array>

namespace memseal::http {

namespace {

using namespace std::chrono_literals;
using auditing::Weight;

constexpr auto any = Scope::every_listener;
constexpr auto api = Scope::api;
constexpr auto admin = Scope::admin;
constexpr auto json_body = BodyKind::json;

/// The wall of every file; files.file_bytes_max is what an operator allows.
constexpr std::size_t file_bytes_wall = std::size_t{64} << 30;
/// Of one upload or download as a whole. A client that stops sending or reading is cut off sooner.
constexpr auto file_transfer_max = 3'600'000ms;
/// Of one request that erases. What is left then is erased by the next request.
constexpr auto erasure_max = 300'000ms;

/// A model endpoint in the shape of another service.
constexpr Route model(std::string_view method, std::string_view pattern, Work work,
                      wire::ErrorShape errors) {
  const bool reads = method == "POST";
  const bool embeds = work == post_embeddings || work == post_tei_embed;
  return {.method = method,
          .pattern = pattern,
          .scope = api,
          .work = work,
          .body = reads ? json_body : BodyKind::none,
          .cancel_on_disconnect = reads,
          .time_max = embeds ? inference::embed_deadline : 0ms,
          .errors = errors,
          .bucket = reads ? ports::Bucket::inference : ports::Bucket::metrics};
}

/// A list or a part of one, from the database alone.
constexpr Route reading(std::string_view pattern, Work work, std::string_view action) {
  return {.method = "GET",
          .pattern = pattern,
          .scope = api,
          .work = work,
          .cancel_on_disconnect = true,
          .bucket = ports::Bucket::query,
          .has_parameters = true,
          .slash_in_id = true,
          .action = action};
}

/// As a write, by an event.
constexpr Route deleting(std::string_view pattern, Work work) {
  return {.method = "DELETE",
          .pattern = pattern,
          .scope = api,
          .work = work,
          .time_max = limits::request_deadline + wait_max,
          .bucket = ports::Bucket::write,
          .has_parameters = true,
          .slash_in_id = true,
          .action = "memory.delete",
          .weight = Weight::change};
}

/// An operator's order.
constexpr Route order(std::string_view pattern, AtOnce at_once, std::string_view action) {
  return {.method = "POST",
          .pattern = pattern,
          .scope = Scope::admin,
          .at_once = at_once,
          .action = action,
          .weight = Weight::order};
}

constexpr auto openai = wire::ErrorShape::openai;
constexpr auto cohere = wire::ErrorShape::cohere;
constexpr auto tei = wire::ErrorShape::tei;

constexpr std::array routes{
    Route{"GET", "/", Scope::start_page, get_start_page},
    Route{"GET", "/health", any, get_health},
    Route{"GET", "/ready", any, get_ready},
    Route{"GET", "/version", any, get_version},
    Route{"GET", "/openapi.json", any, get_openapi},
    Route{"GET", "/metrics", admin, get_metrics},
    Route{"GET", "/metrics/memory", admin, get_memory_metrics},
    order("/flags/rerank/on", post_rerank_on, "admin.rerank_on"),
    order("/flags/rerank/off", post_rerank_off, "admin.rerank_off"),
    Route{"GET", "/guard", admin, get_guard},
    order("/guard/hold/{id}", post_guard_hold, "admin.guard_hold"),
    order("/guard/release/{id}", post_guard_release, "admin.guard_release"),
    order("/guard/mode/{id}", post_guard_mode, "admin.guard_mode"),
    Route{.method = "POST",
          .pattern = "/api/v1/memory/query",
          .scope = api,
          .work = post_query,
          .body = json_body,
          .cancel_on_disconnect = true,
          .bucket = ports::Bucket::query,
          .action = "memory.query"},
    Route{.method = "POST",
          .pattern = "/api/v1/memory/index",
          .scope = api,
          .work = post_index,
          .body = json_body,
          .time_max = limits::request_deadline + wait_max,
          .bucket = ports::Bucket::write,
          .action = "memory.index",
          .weight = Weight::change},
    Route{.method = "POST",
          .pattern = "/api/v1/memory/conversations/{id}/turns",
          .scope = api,
          .work = post_turns,
          .body = json_body,
          .time_max = limits::request_deadline + wait_max,
          .bucket = ports::Bucket::write,
          .slash_in_id = true,
          .action = "memory.turns",
          .weight = Weight::change},
    reading("/api/v1/memory/conversations", get_conversations, "memory.list"),
    reading("/api/v1/memory/conversations/{id}/turns", get_turns, "memory.show"),
    reading("/api/v1/memory/documents", get_documents, "memory.list"),
    reading("/api/v1/memory/documents/{id}", get_document, "memory.show"),
    reading("/api/v1/memory/documents/{id}/chunks", get_document_chunks, "memory.show"),
    deleting("/api/v1/memory/documents/{id}", delete_document),
    deleting("/api/v1/memory/conversations/{id}", delete_conversation),
    Route{.method = "POST",
          .pattern = "/api/v1/knowledge/files",
          .scope = api,
          .work = post_file,
          .body = BodyKind::stream,
          .body_bytes_max = file_bytes_wall,
          .time_max = file_transfer_max,
          .bucket = ports::Bucket::write,
          .action = "file.upload",
          .weight = Weight::change},
    Route{.method = "GET",
          .pattern = "/api/v1/knowledge/files",
          .scope = api,
          .work = list_files,
          .bucket = ports::Bucket::query,
          .has_parameters = true,
          .action = "file.list"},
    Route{.method = "GET",
          .pattern = "/api/v1/knowledge/files/{id}",
          .scope = api,
          .work = get_file,
          .bucket = ports::Bucket::query,
          .action = "file.show"},
    Route{.method = "DELETE",
          .pattern = "/api/v1/knowledge/files/{id}",
          .scope = api,
          .work = delete_file,
          .bucket = ports::Bucket::write,
          .action = "file.delete",
          .weight = Weight::change},
    Route{.method = "GET",
          .pattern = "/api/v1/knowledge/files/{id}/content",
          .scope = api,
          .work = get_file_content,
          .time_max = file_transfer_max,
          .bucket = ports::Bucket::query,
          .action = "file.download",
          .weight = Weight::guarded},
    Route{.method = "GET",
          .pattern = "/api/v1/knowledge/files/{id}/chunks",
          .scope = api,
          .work = get_file_chunks,
          .cancel_on_disconnect = true,
          .bucket = ports::Bucket::query,
          .has_parameters = true,
          .action = "file.show"},
    Route{.method = "POST",
          .pattern = "/api/v1/knowledge/index",
          .scope = api,
          .work = post_file_index,
          .body = json_body,
          .time_max = limits::request_deadline + wait_max,
          .bucket = ports::Bucket::write,
          .action = "file.index",
          .weight = Weight::change},
    Route{.method = "GET",
          .pattern = "/api/v1/me",
          .scope = api,
          .work = get_me,
          .cancel_on_disconnect = true,
          .bucket = ports::Bucket::query,
          .has_parameters = true,
          .action = "person.show"},
    Route{.method = "GET",
          .pattern = "/api/v1/me/export",
          .scope = api,
          .work = get_export,
          .cancel_on_disconnect = true,
          .time_max = file_transfer_max,
          .bucket = ports::Bucket::query,
          .has_parameters = true,
          .action = "person.export",
          .weight = Weight::guarded},
    // Goes on when its client leaves, because half an erasure helps nobody.
    Route{.method = "DELETE",
          .pattern = "/api/v1/me",
          .scope = api,
          .work = delete_me,
          .time_max = erasure_max,
          .bucket = ports::Bucket::write,
          .has_parameters = true,
          .action = "person.erase",
          .weight = Weight::guarded},
    // Free, because a client that polls must not pay for the time that ingest takes.
    Route{"GET", "/api/v1/operations/{id}", api, nullptr, get_operation},
    Route{.method = "GET",
          .pattern = "/api/v1/rerank/metrics",
          .scope = api,
          .work = get_rerank_metrics,
          .bucket = ports::Bucket::metrics},
    // Clients append /v1/… or /v2/… to a base URL that some write with "/api" and some without.
    model("POST", "/api/v1/rerank", post_rerank, cohere),
    model("POST", "/api/v2/rerank", post_rerank_v2, cohere),
    model("POST", "/v1/rerank", post_rerank, cohere),
    model("POST", "/v2/rerank", post_rerank_v2, cohere),
    model("POST", "/rerank", post_tei_rerank, tei),
    model("POST", "/embed", post_tei_embed, tei),
    model("GET", "/info", get_tei_info, tei),
    model("POST", "/v1/embeddings", post_embeddings, openai),
    model("POST", "/api/v1/embeddings", post_embeddings, openai),
    model("GET", "/v1/models", get_models, openai),
    model("GET", "/v1/models/{id}", get_model, openai),
    model("GET", "/api/v1/models", get_models, openai),
    model("GET", "/api/v1/models/{id}", get_model, openai),
};

}  // namespace

std::span<const Route> product_routes() { return routes; }

}  // namespace memseal::http
