#include "http/routes/handlers.hpp"
#include "http/routes/router.hpp"

#include <array>

namespace memseal::http {

namespace {

constexpr auto any = Scope::every_listener;
constexpr auto api = Scope::api;
constexpr auto admin = Scope::admin;
constexpr auto json_body = BodyKind::json;

constexpr std::array routes{
    Route{"GET", "/health", any, get_health},
    Route{"GET", "/ready", any, get_ready},
    Route{"GET", "/version", any, get_version},
    Route{"GET", "/openapi.json", any, get_openapi},
    Route{"GET", "/metrics", admin, get_metrics},
    Route{"GET", "/metrics/memory", admin, get_memory_metrics},
    Route{"POST", "/flags/rerank/on", admin, post_rerank_on},
    Route{"POST", "/flags/rerank/off", admin, post_rerank_off},
    Route{"POST", "/api/v1/memory/query", api, nullptr, post_query, json_body, true},
    Route{"POST", "/api/v1/memory/index", api, nullptr, post_index, json_body},
    Route{"GET", "/api/v1/operations/{id}", api, nullptr, get_operation},
    Route{"POST", "/api/v1/rerank", api, nullptr, post_rerank, json_body, true},
    Route{"GET", "/api/v1/rerank/metrics", api, nullptr, get_rerank_metrics},
    Route{"POST", "/rerank", api, nullptr, post_tei_rerank, json_body, true},
    Route{"POST", "/v1/embeddings", api, nullptr, post_embeddings, json_body, true},
};

}  // namespace

std::span<const Route> product_routes() { return routes; }

}  // namespace memseal::http
