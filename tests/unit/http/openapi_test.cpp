// The published description against what the server does.
#include "unit/http/fixture.hpp"

#include "pure/wire/sse.hpp"

#include <boost/json/parse.hpp>

#include <fstream>
#include <iterator>
#include <set>

namespace memseal::test {
namespace {

namespace json = boost::json;

class OpenApiTest : public ServerTest {
 protected:
  OpenApiTest() {
    std::ifstream file(MEMSEAL_SOURCE_DIR "/config/openapi.json");
    text.assign(std::istreambuf_iterator<char>(file), {});
    document = json::parse(text);
    readiness = [] { return std::vector<http::Check>{{"postgres", true, true, "schema 1"}}; };
  }

  /// Members a schema knows and those it demands, through $ref and allOf.
  void collect(const json::value& schema, json::object& known, std::set<std::string>& demanded) {
    const auto& object = schema.as_object();
    if (const auto* ref = object.if_contains("$ref")) {
      const std::string pointer(ref->as_string().subview(1));
      return collect(document.at_pointer(pointer), known, demanded);
    }
    if (const auto* all = object.if_contains("allOf"))
      for (const auto& part : all->as_array()) collect(part, known, demanded);
    if (const auto* properties = object.if_contains("properties"))
      for (const auto& member : properties->as_object())
        known.emplace(member.key(), member.value());
    if (const auto* required = object.if_contains("required"))
      for (const auto& name : required->as_array()) demanded.emplace(name.as_string());
  }

  /// `value` has what `schema` demands and nothing that it does not know; also inside.
  void expect_described(const json::value& value, const json::value& schema) {
    if (const auto* items = schema.as_object().if_contains("items"); items && value.is_array())
      for (const auto& item : value.as_array()) expect_described(item, *items);
    json::object known;
    std::set<std::string> demanded;
    collect(schema, known, demanded);
    if (!value.is_object() || known.empty()) return;
    for (const auto& name : demanded)
      EXPECT_TRUE(value.as_object().contains(name)) << name << " is missing in " << value;
    for (const auto& member : value.as_object()) {
      const auto* described = known.if_contains(member.key());
      EXPECT_NE(described, nullptr) << member.key() << " is not described";
      if (described) expect_described(member.value(), *described);
    }
  }

  json::value schema(const std::string& name) {
    return document.at("components").at("schemas").at(name);
  }

  std::string text;
  json::value document;
};

TEST_F(OpenApiTest, IsServedAsItLiesInTheRepository) {
  start();
  EXPECT_TRUE(ask(get("/openapi.json")).body == text) << "rebuild src/http/openapi.cpp";
}

TEST_F(OpenApiTest, IsServedInTwoVersions) {
  start();
  EXPECT_EQ(document.at("openapi"), "3.1.0");
  EXPECT_EQ(ask(get("/openapi.json?version=3.1")).body, text);
  auto later = json::parse(ask(get("/openapi.json?version=3.2")).body);
  EXPECT_EQ(later.at("openapi"), "3.2.0");
  auto& stream = later.at_pointer("/paths/~1api~1v1~1memory~1query/post/responses/200/content")
                     .at("text/event-stream")
                     .as_object();
  EXPECT_EQ(
      stream.at("itemSchema").at_pointer("/properties/data/contentSchema/oneOf").as_array().size(),
      5u);
  // But for these two places both say the same.
  stream.erase("itemSchema");
  later.as_object()["openapi"] = "3.1.0";
  EXPECT_TRUE(later == document);
  EXPECT_EQ(ask(get("/openapi.json?version=2.0")).status, 400);
}

TEST_F(OpenApiTest, DescribesEveryRouteAndNoOther) {
  switch_rerank = [](bool) {};
  guard_state = [] { return std::string("{}"); };
  order_guard = [](http::GuardOrder, std::string_view) { return true; };
  start();
  std::set<std::string> described;
  for (const auto& path : document.at("paths").as_object()) {
    described.emplace(path.key());
    const auto& methods = path.value().as_object();
    const std::string method = methods.contains("get")    ? "GET"
                               : methods.contains("post") ? "POST"
                                                          : "DELETE";
    const auto seen = ask(method == "POST" ? post(path.key(), "{}")
                                           : head(method + " " + std::string(path.key())) + "\r\n");
    EXPECT_NE(seen.status, 405) << path.key();
    // A conversation begins with its first turn, whatever its name.
    const bool names_known = method != "POST" && path.key().find('{') != std::string::npos;
    EXPECT_EQ(seen.status == 404, names_known) << path.key();
    // The status that was answered is described, too.
    EXPECT_TRUE(methods.begin()->value().at("responses").as_object().contains(
        std::to_string(seen.status))) << path.key() << " " << seen.status;
  }
  EXPECT_EQ(described, (std::set<std::string>{
                           "/api/v1/memory/query", "/api/v1/memory/index",
                           "/api/v1/memory/conversations",
                           "/api/v1/memory/conversations/{id}",
                           "/api/v1/memory/conversations/{id}/turns",
                           "/api/v1/memory/documents", "/api/v1/memory/documents/{id}",
                           "/api/v1/memory/documents/{id}/chunks",
                           "/api/v1/knowledge/files", "/api/v1/knowledge/files/{id}",
                           "/api/v1/knowledge/files/{id}/content",
                           "/api/v1/knowledge/files/{id}/chunks", "/api/v1/knowledge/index",
                           "/api/v1/me", "/api/v1/me/export",
                           "/api/v1/operations/{id}", "/api/v1/rerank",
                           "/api/v2/rerank", "/v1/rerank", "/v2/rerank",
                           "/api/v1/rerank/metrics", "/rerank", "/embed", "/info",
                           "/v1/embeddings",
                           "/api/v1/embeddings", "/v1/models", "/v1/models/{id}",
                           "/api/v1/models", "/api/v1/models/{id}", "/health",
                           "/ready", "/version", "/openapi.json", "/metrics", "/metrics/memory",
                           "/flags/rerank/on", "/flags/rerank/off", "/guard",
                           "/guard/hold/{id}", "/guard/release/{id}", "/guard/mode/{id}"}));
}

TEST_F(OpenApiTest, DescribesWhatTheRoutesAnswer) {
  world.fill("ada", 3);
  start();
  expect_described(json::parse(ask(post(query_path, question)).body), schema("Answer"));
  const auto accepted = ask(post(index_path, R"({"text":"a"})"));
  expect_described(json::parse(accepted.body), schema("OperationAnswer"));
  expect_described(json::parse(ask(get(accepted.field("location"))).body),
                   schema("OperationAnswer"));
  on_loop([&] {
    return operations.known.begin()->second.state = ports::OperationState::succeeded;
  });
  const auto waited = ask(get(accepted.field("location")));
  expect_described(json::parse(waited.body), schema("OperationAnswer"));
  for (const std::string status : {"200", "202"})
    EXPECT_TRUE(document.at_pointer("/paths/~1api~1v1~1memory~1index/post/responses/" + status +
                                    "/headers").as_object().contains("Preference-Applied"));
  const auto cohere = ask(post(
      "/api/v1/rerank", R"({"query":"q","documents":["a 1"],"return_documents":true})"));
  expect_described(json::parse(cohere.body), schema("CohereRanking"));
  const auto tei = ask(post("/rerank", R"({"query":"q","texts":["a 1"],"return_text":true})"));
  expect_described(json::parse(tei.body), schema("TeiRanking"));
  expect_described(json::parse(ask(post("/v1/embeddings", R"({"input":"mars"})")).body),
                   schema("Embeddings"));
  expect_described(json::parse(ask(get("/v1/models")).body), schema("Models"));
  expect_described(json::parse(ask(get("/info")).body), schema("TeiInfo"));
  on_loop([&] { return limiter.admission.allowed = false; });
  expect_described(json::parse(ask(post("/embed", R"({"inputs":"mars"})")).body),
                   schema("Problem"));
  on_loop([&] { return limiter.admission.allowed = true; });
  expect_described(json::parse(ask(post("/v1/embeddings", "{}")).body), schema("Problem"));
  expect_described(json::parse(ask(post("/rerank", "{}")).body), schema("Problem"));
  expect_described(json::parse(ask(post("/v2/rerank", "{}")).body), schema("Problem"));
  expect_described(json::parse(ask(get("/api/v1/rerank/metrics")).body),
                   schema("RerankMetrics"));
  expect_described(json::parse(ask(get("/ready")).body), schema("Readiness"));
  expect_described(json::parse(ask(get("/nope")).body), schema("Problem"));
  expect_described(json::parse(ask(post(query_path, "{}")).body), schema("Problem"));
  expect_described(json::parse(ask("bad\r\n\r\n").body), schema("Problem"));
  on_loop([&] { return limiter.admission.allowed = false; });
  expect_described(json::parse(ask(post(query_path, question)).body), schema("Problem"));
}

TEST_F(OpenApiTest, DescribesWhatIsStored) {
  using ports::MemoryKind;
  world.remember("ada", MemoryKind::document, "a", {"text"}, {R"({"mime_type":"text/plain"})"},
                 "a.txt");
  world.remember("ada", MemoryKind::conversation, "c", {"hello"});
  start();
  const std::string memory = "/api/v1/memory/";
  const std::pair<std::string, std::string> lists[] = {{"documents", "DocumentList"},
                                                       {"documents/a", "DocumentAnswer"},
                                                       {"documents/a/chunks", "ChunkList"},
                                                       {"conversations", "ConversationList"},
                                                       {"conversations/c/turns", "TurnList"}};
  for (const auto& [path, name] : lists) {
    const auto answer = ask(get(memory + path));
    EXPECT_EQ(answer.status, 200) << path;
    expect_described(json::parse(answer.body), schema(name));
  }
  for (const auto* path : {"documents/a", "conversations/c"}) {
    const auto answer = ask(head("DELETE " + memory + path) + "\r\n");
    EXPECT_EQ(answer.status, 202) << path;
    expect_described(json::parse(answer.body), schema("OperationAnswer"));
  }
}

TEST_F(OpenApiTest, DescribesTheEventsOfAStream) {
  world.fill("ada", 2);
  start();
  const std::map<std::string, std::string> schemas{{"query.started", "StartedEvent"},
                                                   {"query.stage", "StageEvent"},
                                                   {"query.result", "ResultEvent"},
                                                   {"query.completed", "CompletedEvent"},
                                                   {"query.failed", "FailedEvent"}};
  std::set<std::string> seen;
  const auto check = [&] {
    const auto answer = ask(post(query_path, R"({"query":"a","include_trace":true})",
                                 "Accept: text/event-stream\r\n"));
    wire::SseParser().feed(answer.body, [&](const wire::SseEvent& event) {
      seen.insert(event.type);
      expect_described(json::parse(event.data), schema(schemas.at(event.type)));
    });
  };
  check();
  on_loop([&] {
    world.search.faults.error = Error{Errc::unavailable, "away"};
    return true;
  });
  check();
  EXPECT_EQ(seen.size(), schemas.size());
}

}  // namespace
}  // namespace memseal::test
