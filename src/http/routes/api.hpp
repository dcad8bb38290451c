#pragma once
// What the routes work with, and the handler that they make together.
#include "cases/auditing/auditor.hpp"
#include "cases/inference/inference.hpp"
#include "cases/knowledge/files.hpp"
#include "cases/person/erase.hpp"
#include "cases/query/answer.hpp"
#include "cases/query/browse.hpp"
#include "http/routes/open_waits.hpp"
#include "http/server/server.hpp"
#include "ports/event_sink.hpp"
#include "ports/limiter.hpp"
#include "ports/operations.hpp"
#include "pure/crypto/signing_key.hpp"
#include "pure/crypto/tenant.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/metrics.hpp"
#include "runtime/wall_clock.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::http {

struct Route;

/// One line of GET /ready. `detail` is public, so it holds no address and no secret.
struct Check {
  std::string name;
  bool ok = false;
  bool required = true;                   ///< a failed check that is not required is only reported
  std::string detail;
};

/// What the routes behind a token work with. All of it outlives the handler.
struct ApiDeps {
  query::QueryDeps& query;
  query::BrowseDeps& browse;
  inference::InferenceDeps& inference;
  ports::Operations& operations;
  ports::EventSink& events;
  ports::Limiter& limiter;
  const crypto::TokenVerifier& tokens;
  const crypto::TenantKeyer& tenants;
  const crypto::IdDeriver& ids;
  runtime::WallClock now_ms = runtime::unix_ms;  ///< judges tokens, dates documents
  const knowledge::KnowledgeDeps* knowledge = nullptr;  ///< null: this service keeps no files
  const person::EraseDeps* person = nullptr;  ///< null: the routes of /api/v1/me are refused
  const crypto::SigningKey* receipts = nullptr;  ///< signs receipts; set where `person` is
};

/// What an operator tells the guard.
enum class GuardOrder {
  hold,     ///< an action
  release,  ///< an action, and those after it
  mode,     ///< a mode begins
};

/// What all routes work with. The callbacks are called on the Server's thread, do no I/O and do not
/// throw; an empty one means "nothing to report".
struct RouteDeps {
  runtime::Metrics& metrics;
  ApiDeps* api = nullptr;                 ///< null: the routes of ApiDeps are unknown
  bool admin = false;                     ///< serve /metrics, /metrics/memory, /flags, /guard
  /// Bearer token that an order on the admin listener must show; empty: no order is taken.
  std::string admin_token = {};
  std::vector<std::string> cors_origins = {};  ///< pages that may read answers; see cors.hpp
  std::function<std::vector<Check>()> readiness = {};
  /// Requests that wait; the handlers of all threads share them.
  std::shared_ptr<OpenWaits> waits = std::make_shared<OpenWaits>();
  /// Switches reranking for the whole process; empty: its admin routes are unknown.
  std::function<void(bool)> switch_rerank = {};
  /// The guard of the process as a JSON object; empty: its admin routes are unknown.
  std::function<std::string()> guard_state = {};
  /// Returns false where there is no action or mode of that name.
  std::function<bool(GuardOrder, std::string_view)> order_guard = {};
  std::function<std::string()> start_page = {};  ///< HTML of GET /; empty: unknown
  auditing::Auditor* audit = nullptr;     ///< null: nothing is recorded
};

/// Every route of the product.
std::span<const Route> product_routes();

/// The handler that answers by `routes`, whose patterns and functions outlive it.
Handler make_handler(RouteDeps deps, std::span<const Route> routes = product_routes());

}  // namespace memseal::http
