#include "http/routes/traces.hpp"

namespace memseal::http {

void trace_stage(Call& call, const query::StageReport& report) {
  auto& span = call.exchange.span;
  if (!span || !span->is_recorded() || report.status == query::StageStatus::skipped) return;
  span->part_ended(std::string("query ") + query::stage_name(report.stage), report.took,
                   {{"memseal.count", static_cast<std::int64_t>(report.count)},
                    {"memseal.outcome", std::string(query::stage_status_name(report.status))}},
                   report.status == query::StageStatus::failed_open);
}

index::IndexDeps index_deps(const Call& call) {
  const auto& api = *call.deps.api;
  index::IndexDeps deps{api.operations, api.events, api.ids};
  const auto* tracer = call.exchange.server.options.tracer;
  if (call.exchange.span && tracer->propagates())
    deps.headers = trace::headers_of(call.exchange.span->context());
  return deps;
}

}  // namespace memseal::http
