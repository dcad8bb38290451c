#include "http/routes/admission.hpp"
#include "http/routes/answer_json.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/traces.hpp"

#include "cases/query/answer.hpp"
#include "pure/crypto/random.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/request.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace memseal::http {

namespace {

/// Collects an answer that goes out whole.
class WholeAnswer final : public query::ResultSink {
 public:
  explicit WholeAnswer(Call& call) : call_(call) {}

  asio::awaitable<void> stage(const query::StageReport& report) override {
    trace_stage(call_, report);
    co_return;
  }
  asio::awaitable<void> result(const query::Hit& hit) override {
    results.push_back(hit_json(hit));
    call_.touched.push_back(hit.passage.from().doc_id);
    co_return;
  }

  json::array results;

 private:
  Call& call_;
};

/// Hands an answer on as it comes: the first result at once, the others with the end.
class StreamedAnswer final : public query::ResultSink {
 public:
  StreamedAnswer(SseStream& stream, Call& call, bool with_stages)
      : stream_(stream), call_(call), with_stages_(with_stages) {}

  asio::awaitable<void> stage(const query::StageReport& report) override {
    trace_stage(call_, report);
    if (!with_stages_) co_return;
    const auto ms = std::chrono::duration<double, std::milli>(report.took).count();
    stream_.add("query.stage", {{"stage", query::stage_name(report.stage)},
                                {"status", query::stage_status_name(report.status)},
                                {"ms", ms},
                                {"count", report.count}});
    co_await stream_.flush();
  }

  asio::awaitable<void> result(const query::Hit& hit) override {
    call_.touched.push_back(hit.passage.from().doc_id);
    auto data = hit_json(hit);
    data["final"] = true;
    stream_.add("query.result", data);
    // The first result leaves at once, because the user waits for it. The others share one write.
    if (hit.rank == 1) co_await stream_.flush();
  }

 private:
  SseStream& stream_;
  Call& call_;
  const bool with_stages_;
};

json::value cursor_json(const query::Summary& summary, std::uint64_t question) {
  if (!summary.next) return nullptr;
  return json::value(wire::make_cursor(*summary.next, question));
}

/// `question`: QueryRequest::checksum.
json::object summary_json(const std::string& query_id, const query::Summary& summary,
                          std::uint64_t question) {
  return {{"query_id", query_id},
          {"count", summary.count},
          {"candidates", summary.opened},
          {"reranked", summary.reranked},
          {"reranked_count", summary.reranked_count},
          {"fallback_reason", fallback_json(summary.fallback)},
          {"next_cursor", cursor_json(summary, question)},
          {"complete", summary.complete},
          {"hybrid", summary.hybrid},
          {"timings", timings_json(summary.timings)}};
}

query::Question question_of(wire::QueryRequest request) {
  return {.text = std::move(request.query),
          .top_k = request.top_k,
          .candidates = request.candidates,
          .rerank = request.rerank,
          .filter = {.origins = std::move(request.origins),
                     .tags = std::move(request.tags),
                     .doc_ids = std::move(request.doc_ids),
                     .tags_any = std::move(request.tags_any),
                     .tags_none = std::move(request.tags_none),
                     .exclude = std::move(request.exclude),
                     .after_ms = request.after_ms,
                     .before_ms = request.before_ms},
          .further = std::move(request.further),
          .attributes = std::move(request.attributes),
          .min_score = request.min_score,
          .expand = request.expand,
          .page = std::move(request.page),
          .hybrid = request.hybrid};
}

std::int64_t tokens_of_questions(const wire::QueryRequest& request) {
  auto sum = policy::tokens_of_text(request.query);
  for (const auto& text : request.further) sum += policy::tokens_of_text(text);
  return sum;
}

asio::awaitable<Response> answer_whole(Call& call, wire::QueryRequest request) {
  WholeAnswer whole(call);
  const auto checksum = request.checksum;
  const auto summary = co_await query::answer(call.deps.api->query, call.context,
                                              call.who->tenant, question_of(std::move(request)),
                                              whole);
  auto body = summary_json(crypto::random_uuid().to_string(), summary, checksum);
  body["results"] = std::move(whole.results);
  auto response = json_response(200, json::serialize(body));
  response.fields.push_back({"Server-Timing", server_timing(summary.timings)});
  co_return response;
}

asio::awaitable<void> answer_in_stream(Call& call, wire::QueryRequest request) {
  auto& stream = call.exchange.stream.emplace(call.exchange, crypto::random_uuid().to_string());
  // The stream lives in the exchange, which outlives the work and its keep-alive comments.
  stream.begin(call.exchange);
  call.exchange.session.free_read_buffer();
  const json::object limits{{"top_k", request.top_k}, {"candidates", request.candidates}};
  stream.add("query.started", {{"query_id", stream.query_id()},
                               {"request_id", call.context.id},
                               {"limits", limits}});
  // Before the search, so that the client knows at once that its query runs.
  co_await stream.flush();
  call.exchange.session.spawn_beside_work(
      stream.keep_alive(call.exchange.server.options.keepalive));

  StreamedAnswer sink(stream, call, request.include_trace);
  const auto checksum = request.checksum;
  const auto summary = co_await query::answer(call.deps.api->query, call.context,
                                              call.who->tenant, question_of(std::move(request)),
                                              sink);
  stream.add_last("query.completed", summary_json(stream.query_id(), summary, checksum));
  co_await stream.end();
  stream.count(StreamEnd::completed);
}

}  // namespace

asio::awaitable<std::optional<Response>> post_query(Call& call) {
  // A client that can read neither form learns it before anything is computed.
  const auto media = negotiate(call.head.list("accept"));
  if (media == Media::neither)
    co_return problem({Errc::not_acceptable,
                       "this resource answers in application/json or text/event-stream"},
                      call.context.id);
  auto request = wire::parse_query_request(call.body);
  if (!request) co_return problem(request.error(), call.context.id);
  // The token decides whose memory is searched, and a body that names another user is refused.
  if (request->user_id && *request->user_id != call.who->user.value())
    co_return user_mismatch(call);
  auto refused = co_await charge(call, tokens_of_questions(*request));
  if (refused) co_return refused;
  if (media == Media::json) co_return co_await answer_whole(call, std::move(*request));
  co_await answer_in_stream(call, std::move(*request));
  co_return std::nullopt;
}

asio::awaitable<void> fail_stream(Call& call, const Error& error) {
  auto& stream = *call.exchange.stream;
  stream.add_last("query.failed", problem_object(error, call.context.id));
  co_await stream.end();
}

}  // namespace memseal::http
