#include "app/cli/smoke_checks.hpp"

#include "app/cli/service_answers.hpp"
#include "base/limits.hpp"
#include "pure/codec/json.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/sse.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstdlib>
#include <memory>
#include <utility>

namespace memseal::app {

namespace json = boost::json;

namespace {

using http_client::Response;

constexpr const char* query_path = "/api/v1/memory/query";
constexpr const char* index_path = "/api/v1/memory/index";
constexpr const char* document = "memseal-smoke";  // of each run, so that nothing piles up

std::string status_of(const Response& response) {
  return "HTTP " + std::to_string(response.status);
}

/// A body as an object; empty where it is something else.
json::object object_of(const Response& response) {
  return object_in(response).value_or(json::object());
}

/// The service as the checks ask it: by two users and by nobody, and every status is an answer.
/// Every call throws Failure where none comes.
class Visitor {
 public:
  explicit Visitor(const SmokeTarget& target) : target_(target) {}

  Response get(std::string path, std::string token = {}, http_client::Headers headers = {}) const {
    return send({.path = std::move(path),
                 .token = std::move(token),
                 .headers = std::move(headers)});
  }
  Response post(std::string path, std::string body, std::string token,
                http_client::Headers headers = {}) const {
    headers.emplace_back("Content-Type", "application/json");
    return send({.method = "POST",
                 .path = std::move(path),
                 .token = std::move(token),
                 .headers = std::move(headers),
                 .body = std::move(body)});
  }
  Response query(json::object question, const std::string& token,
                 http_client::Headers headers = {}) const {
    headers.emplace_back("Accept", "application/json");
    return post(query_path, json::serialize(question), token, std::move(headers));
  }
  /// The events of an answer as it streams. REQUIRES: the answer is a stream.
  std::vector<wire::SseEvent> stream(json::object question, const std::string& token) const {
    std::vector<wire::SseEvent> events;
    wire::SseParser parser;
    const auto sink = [&](std::string_view bytes) {
      parser.feed(bytes, [&](const wire::SseEvent& event) { events.push_back(event); });
      return true;
    };
    ServiceRequest request{.method = "POST", .path = query_path, .token = token};
    request.headers = {{"Accept", "text/event-stream"}, {"Content-Type", "application/json"}};
    request.body = json::serialize(question);
    send(std::move(request), sink);
    return events;
  }

 private:
  Response send(ServiceRequest request, const http_client::BodySink& sink = {}) const {
    request.headers.insert(request.headers.end(), target_.headers.begin(), target_.headers.end());
    return call_service(target_.config, target_.service, request, sink).value();
  }

  const SmokeTarget& target_;
};

/// What the checks of one run share.
struct Run {
  explicit Run(const SmokeTarget& of) : target(of), ask(of) {}

  const SmokeTarget& target;
  const Visitor ask;
  /// A word that no other text has: what answers is this run's document.
  const std::string word = "smoke" + crypto::random_uuid().to_string().substr(0, 8);
  const std::string text = "The harbour light is called " + word + ".";
  std::string operation;  ///< of the document; empty until it is accepted
  bool stored = false;

  json::object question() const {
    return {{"query", "What is the harbour light called? " + word},
            {"doc_ids", json::array{document}}};
  }
  bool is_in(std::string_view body) const { return body.find(word) != body.npos; }
};

SmokeFault refused_with(const Response& response, int status) {
  if (response.status != status)
    return status_of(response) + " instead of " + std::to_string(status);
  const auto problem = object_of(response);
  if (!response.header("content-type").starts_with("application/problem+json") ||
      text_of(problem, "code").empty())
    return "the " + std::to_string(status) + " is no problem with a code (RFC 9457)";
  if (text_of(problem, "request_id") != response.header("x-request-id"))
    return "the problem names another request than X-Request-ID";
  return {};
}

// ---- pipeline

SmokeFault is_ready(Run& run) {
  const auto health = run.ask.get("/health"), ready = run.ask.get("/ready");
  if (health.status != 200) return "/health: " + status_of(health);
  if (ready.status != 200) return "/ready: " + status_of(ready);
  return {};
}

SmokeFault stores(Run& run) {
  const json::object body{{"text", run.text}, {"doc_id", document}};
  // Asked again with its key it is the same operation, and the request waits once more.
  const http_client::Headers headers{{"Prefer", "wait=20"}, {"Idempotency-Key", run.word}};
  std::string state;
  for (int asked = 0; asked < 3; ++asked) {
    const auto answer = run.ask.post(index_path, json::serialize(body), run.target.token, headers);
    if (answer.status != 200 && answer.status != 202) return "index: " + status_of(answer);
    const auto operation = member_of(object_of(answer), "operation");
    run.operation = text_of(operation, "id");
    state = text_of(operation, "state");
    run.stored = state == "succeeded";
    if (run.stored) return {};
    if (state != "queued") break;
  }
  if (run.operation.empty()) return "index answers without an operation";
  return "the operation is " + state + (state == "queued" ? " after 60 s" : "");
}

SmokeFault streams(Run& run) {
  const auto events = run.ask.stream(run.question(), run.target.token);
  if (events.empty()) return "no event came";
  bool found = false;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& event = events[i];
    auto value = codec::parse_json(event.data, Errc::bad_json);
    const auto data = value && value->is_object() ? value->get_object() : json::object();
    if (text_of(data, "sequence_number") != std::to_string(i)) return "an event is missing";
    const bool last = i + 1 == events.size();
    const bool ends = event.type == "query.completed" || event.type == "query.failed";
    if (ends && !last) return "an event follows the end";
    if (last && !ends) return "the stream ends without query.completed";
    if (event.type == "query.failed") return "query.failed: " + text_of(data, "code");
    found = found || (event.type == "query.result" && run.is_in(text_of(data, "text")));
  }
  if (!found) return "the document that was stored is not among the results";
  return {};
}

// ---- authentication

constexpr const char* request_id = "smoke-authentication";

Response without_token(Run& run) {
  return run.ask.query(run.question(), "", {{"X-Request-ID", request_id}});
}

SmokeFault refuses_strangers(Run& run) {
  const auto answer = without_token(run);
  if (auto fault = refused_with(answer, 401)) return fault;
  if (!answer.header("www-authenticate").starts_with("Bearer"))
    return "the 401 has no WWW-Authenticate: Bearer";
  return {};
}

SmokeFault refuses_forgeries(Run& run) {
  // The first character of the signature, because the last one may carry bits that do not count.
  auto forged = run.target.token;
  auto& changed = forged[forged.rfind('.') + 1];
  changed = changed == 'A' ? 'B' : 'A';
  const auto answer = run.ask.query(run.question(), forged, {{"X-Request-ID", request_id}});
  if (auto fault = refused_with(answer, 401)) return fault;
  if (answer.body != without_token(run).body)
    return "the answer says why the token was refused, which helps to forge one";
  return {};
}

SmokeFault accepts_both(Run& run) {
  for (const auto& token : {run.target.token, run.target.other_token}) {
    const auto answer = run.ask.query(run.question(), token);
    if (answer.status != 200) return status_of(answer) + " for " + claim_of(token, "sub");
  }
  return {};
}

// ---- isolation

/// Whether the other user's `question` finds the document.
SmokeFault other_finds_nothing(Run& run, json::object question) {
  if (!run.stored) return "not proven: there is no document to look for";
  const auto answer = run.ask.query(std::move(question), run.target.other_token);
  if (answer.status != 200) return status_of(answer);
  const auto* results = object_of(answer).if_contains("results");
  if (results == nullptr) return "the answer has no results";
  // In the question alone the word may come back: an answer repeats none.
  if (run.is_in(answer.body)) return "another user reads the document";
  return {};
}

SmokeFault hides_in_search(Run& run) {
  return other_finds_nothing(run, {{"query", run.text}, {"top_k", 100}});
}

SmokeFault hides_by_name(Run& run) { return other_finds_nothing(run, run.question()); }

SmokeFault hides_operations(Run& run) {
  if (run.operation.empty()) return "not proven: there is no operation to ask for";
  const http_client::Headers same_id{{"X-Request-ID", "smoke-isolation"}};
  const std::string operations = "/api/v1/operations/";
  const auto seen = run.ask.get(operations + run.operation, run.target.other_token, same_id);
  if (auto fault = refused_with(seen, 404)) return fault;
  const auto unknown = run.ask.get(operations + crypto::random_uuid().to_string(),
                                   run.target.other_token, same_id);
  if (seen.body != unknown.body)
    return "the 404 of another user's operation differs from that of an unknown one";
  return {};
}

SmokeFault refuses_other_names(Run& run) {
  const auto other = claim_of(run.target.other_token, "sub");
  auto question = run.question();
  question["user_id"] = other;
  if (auto fault = refused_with(run.ask.query(question, run.target.token), 403))
    return "query: " + *fault;
  const json::object body{{"text", run.text}, {"doc_id", document}, {"user_id", other}};
  if (auto fault =
          refused_with(run.ask.post(index_path, json::serialize(body), run.target.token), 403))
    return "index: " + *fault;
  return {};
}

// ---- limits

SmokeFault shows_the_rate(Run& run) {
  const auto answer = run.ask.query(run.question(), run.target.token);
  for (const char* name : {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
                           "ratelimit", "ratelimit-policy"})
    if (answer.header(name).empty()) return std::string("an answer has no ") + name;
  const auto number = [&](const char* name) {
    return std::strtoll(std::string(answer.header(name)).c_str(), nullptr, 10);
  };
  const auto limit = number("x-ratelimit-limit"), left = number("x-ratelimit-remaining");
  if (limit < 1 || left < 0 || left > limit)
    return std::to_string(left) + " of " + std::to_string(limit) +
           " requests are left, which cannot be";
  return {};
}

SmokeFault refuses_long_questions(Run& run) {
  const std::string text(limits::query_bytes_max + 1, 'x');
  const auto answer = run.ask.query({{"query", text}}, run.target.token);
  return refused_with(answer, answer.status == 413 ? 413 : 422);
}

SmokeFault refuses_nonsense(Run& run) {
  const auto broken = run.ask.post(query_path, "{", run.target.token);
  if (auto fault = refused_with(broken, 400)) return "a body that is no JSON: " + *fault;
  const auto unknown = run.ask.get("/api/v1/memory/nothing-here", run.target.token);
  if (auto fault = refused_with(unknown, 404)) return "an unknown path: " + *fault;
  return {};
}

}  // namespace

std::vector<SmokeCheck> smoke_checks(const SmokeTarget& target) {
  const auto run = std::make_shared<Run>(target);
  const auto check = [&](const char* suite, const char* name, const char* holds,
                         SmokeFault (*body)(Run&)) {
    return SmokeCheck{suite, name, holds, [run, body] { return body(*run); }};
  };
  return {
      check("pipeline", "ready", "/health and /ready answer 200", is_ready),
      check("pipeline", "stored", "a document is accepted, embedded, sealed and stored", stores),
      check("pipeline", "streamed", "its user finds it in a stream that ends as it must", streams),
      check("authentication", "no_token", "a request without a token is refused",
            refuses_strangers),
      check("authentication", "forged_token", "a changed token is refused in the same words",
            refuses_forgeries),
      check("authentication", "valid_tokens", "both tokens are accepted", accepts_both),
      check("isolation", "search", "the other user's search does not find the document",
            hides_in_search),
      check("isolation", "filter", "nor does naming the document", hides_by_name),
      check("isolation", "operation", "its operation is unknown to the other user",
            hides_operations),
      check("isolation", "user_id", "a body cannot name another user than the token",
            refuses_other_names),
      check("limits", "rate", "an answer shows what is left of the user's bucket", shows_the_rate),
      check("limits", "long_question", "a question over 8,192 bytes is refused",
            refuses_long_questions),
      check("limits", "nonsense", "a broken body and an unknown path are problems with a code",
            refuses_nonsense)};
}

SmokeFault smoke_clean_up(const SmokeTarget& target) {
  const json::object body{{"text", "Written by memseal smoke."}, {"doc_id", document}};
  const auto answer = Visitor(target).post(index_path, json::serialize(body), target.token,
                                           {{"Prefer", "wait=20"}});
  if (answer.status != 200 && answer.status != 202) return status_of(answer);
  return {};
}

}  // namespace memseal::app
