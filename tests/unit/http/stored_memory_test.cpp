// Lists, texts and deletions over HTTP; what is another user's is as if it were not there.
#include "unit/http/fixture.hpp"

#include "pure/wire/event.hpp"

#include <boost/json/parse.hpp>

namespace memseal::test {
namespace {

namespace json = boost::json;
using ports::MemoryKind;

class StoredMemoryTest : public ServerTest {
 protected:
  StoredMemoryTest() {
    for (const char* id : {"a", "b", "c"})
      world.remember("ada", MemoryKind::document, id, {"first text", "second text"},
                     {R"({"name":"n","mime_type":"text/markdown","attributes":{"page":1}})"},
                     std::string(id) + ".md");
    world.remember("ada", MemoryKind::conversation, "talk", {"hello", "hi", "bye"},
                   {R"({"roles":["user"],"turn":{"id":"m1","role":"user"}})",
                    R"({"roles":["assistant"],"turn":{"id":"m2","role":"assistant"}})"});
  }
  json::value got(const std::string& path) {
    const auto answer = ask(get(path));
    EXPECT_EQ(answer.status, 200) << path << ' ' << answer.body;
    return json::parse(answer.body);
  }
  Answer del(const std::string& path, const std::string& user = "ada",
             const std::string& more = "X-Request-ID: r\r\n") {
    return ask(head("DELETE " + path, user, more) + "\r\n");
  }
  std::string code_of(const Answer& answer) {
    return std::string(json::parse(answer.body).at("code").as_string());
  }
  wire::DeleteEvent published(std::size_t at) {
    const auto record = on_loop([&] { return sink.records.at(at); });
    const auto topic =
        record.channel == ports::Channel::chat ? "memory.chat.v1" : "memory.upload.v1";
    return std::get<wire::DeleteEvent>(wire::parse_event({.topic = topic,
                                                          .key = record.key,
                                                          .value = record.value,
                                                          .headers = &record.headers})
                                           .value());
  }

  const std::string documents = "/api/v1/memory/documents";
  const std::string conversations = "/api/v1/memory/conversations";
};

TEST_F(StoredMemoryTest, ListsDocumentsPageByPage) {
  start();
  auto page = got(documents + "?limit=2");
  ASSERT_EQ(page.at("documents").as_array().size(), 2u);
  const auto& first = page.at("documents").at(0);
  EXPECT_EQ(first.at("doc_id"), "a");
  EXPECT_EQ(first.at("name"), "a.md");
  EXPECT_EQ(first.at("kind"), "api");
  EXPECT_EQ(first.at("state"), "ready");
  EXPECT_EQ(first.at("chunks"), 2);
  EXPECT_EQ(first.at("tags").at(0), "red");
  EXPECT_EQ(first.at("created_at"), "2023-11-14T22:13:20.000Z");
  EXPECT_TRUE(first.at("expires_at").is_null());
  page = got(documents + "?limit=2&cursor=" + std::string(page.at("next_cursor").as_string()));
  ASSERT_EQ(page.at("documents").as_array().size(), 1u);
  EXPECT_EQ(page.at("documents").at(0).at("doc_id"), "c");
  EXPECT_TRUE(page.at("next_cursor").is_null());
}

TEST_F(StoredMemoryTest, ShowsOneDocumentAndItsTexts) {
  start();
  const auto document = got(documents + "/a").at("document");
  EXPECT_EQ(document.at("name"), "a.md");
  EXPECT_EQ(document.at("mime_type"), "text/markdown");
  EXPECT_EQ(document.at("attributes").at("page"), 1);
  auto page = got(documents + "/a/chunks?limit=1");
  EXPECT_EQ(page.at("chunks").at(0).at("text"), "first text");
  EXPECT_EQ(page.at("chunks").at(0).at("chunk_index"), 0);
  page = got(documents + "/a/chunks?cursor=" + std::string(page.at("next_cursor").as_string()));
  ASSERT_EQ(page.at("chunks").as_array().size(), 1u);
  EXPECT_EQ(page.at("chunks").at(0).at("text"), "second text");
}

TEST_F(StoredMemoryTest, AnIdMayBeAPath) {
  world.remember("ada", MemoryKind::document, "notes/a.md", {"text"});
  start();
  EXPECT_EQ(got(documents + "/notes%2Fa.md").at("document").at("doc_id"), "notes/a.md");
  EXPECT_EQ(del(documents + "/notes%2fa.md").status, 202);
  EXPECT_EQ(ask(get(documents + "/notes/a.md")).status, 404);
  EXPECT_EQ(ask(get("/v1/models/a%2Fb")).status, 404);
}

TEST_F(StoredMemoryTest, ListsTurnsOldestFirstOrNewestFirst) {
  start();
  const auto list = got(conversations).at("conversations");
  ASSERT_EQ(list.as_array().size(), 1u);
  EXPECT_EQ(list.at(0).at("conversation"), "talk");
  EXPECT_EQ(list.at(0).at("last_turn_at"), "2023-11-14T22:13:22.000Z");
  const auto turns = got(conversations + "/talk/turns").at("turns");
  ASSERT_EQ(turns.as_array().size(), 3u);
  EXPECT_EQ(turns.at(0).at("id"), "m1");
  EXPECT_EQ(turns.at(0).at("role"), "user");
  EXPECT_EQ(turns.at(0).at("text"), "hello");
  EXPECT_FALSE(turns.at(0).at("meta").as_object().contains("turn"));
  EXPECT_TRUE(turns.at(2).at("role").is_null()) << "stored before turns had labels";
  auto page = got(conversations + "/talk/turns?order=desc&limit=2");
  EXPECT_EQ(page.at("turns").at(0).at("text"), "bye");
  page = got(conversations + "/talk/turns?order=desc&limit=2&cursor=" +
             std::string(page.at("next_cursor").as_string()));
  EXPECT_EQ(page.at("turns").at(0).at("text"), "hello");
  EXPECT_TRUE(page.at("next_cursor").is_null());
}

TEST_F(StoredMemoryTest, WhatIsAnotherUsersIsAsIfItWereNotThere) {
  start();
  const auto body = [&](const std::string& method, const std::string& path,
                        const std::string& user) {
    const auto answer = ask(head(method + " " + path, user, "X-Request-ID: r\r\n") + "\r\n");
    EXPECT_EQ(answer.status, 404) << method << ' ' << path << ' ' << user;
    auto fields = answer.fields;
    fields.erase("date");
    std::string all = answer.body;
    for (const auto& [name, value] : fields) all += name + ": " + value + "\n";
    return all;
  };
  for (const std::string method : {"GET", "DELETE"}) {
    const auto missing = body(method, documents + "/absent", "bob");
    EXPECT_EQ(body(method, documents + "/a", "bob"), missing);
    EXPECT_EQ(body(method, documents + "/talk", "ada"), missing) << "a conversation";
  }
  EXPECT_EQ(body("GET", documents + "/a/chunks", "bob"),
            body("GET", documents + "/absent/chunks", "bob"));
  EXPECT_EQ(body("GET", conversations + "/talk/turns", "bob"),
            body("GET", conversations + "/absent/turns", "bob"));
  EXPECT_EQ(body("DELETE", conversations + "/talk", "bob"),
            body("DELETE", conversations + "/absent", "bob"));
  EXPECT_EQ(json::parse(ask(head("GET " + documents, "bob") + "\r\n").body),
            (json::value{{"documents", json::array()}, {"next_cursor", nullptr}}));
  EXPECT_TRUE(on_loop([&] { return sink.records.empty() && operations.known.empty(); }));
}

TEST_F(StoredMemoryTest, ARequestThatCannotBeReadIsRefusedByNameAndFree) {
  start();
  for (const auto& path : {documents + "?limit=0", documents + "?order=asc",
                           documents + "/a?x=1",
                           documents + "/a/chunks?limit=1000", conversations + "?user_id=bob",
                           conversations + "/talk/turns?order=up"}) {
    const auto answer = ask(get(path));
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(code_of(answer), "bad_request") << path;
  }
  for (const auto& answer :
       {ask(get(documents + "?cursor=abc")), ask(get(documents + "/a/chunks?cursor=abc")),
        del(conversations + "/talk?before=soon")}) {
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(code_of(answer), "invalid_field");
  }
  EXPECT_EQ(del(documents + "/a?before=2026-01-01T00:00:00Z").status, 400);
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
  EXPECT_EQ(ask(get(documents)).status, 200);
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 1);
}

TEST_F(StoredMemoryTest, DeletesByAnEventOnTheTopicOfWhatItDeletes) {
  start();
  auto answer = del(documents + "/a");
  ASSERT_EQ(answer.status, 202) << answer.body;
  auto operation = json::parse(answer.body).at("operation");
  EXPECT_EQ(operation.at("doc_id"), "a");
  EXPECT_EQ(operation.at("deleted").at("chunks"), 0);
  EXPECT_EQ(answer.field("location"),
            "/api/v1/operations/" + std::string(operation.at("id").as_string()));
  EXPECT_EQ(published(0).doc_id.value(), "a");
  EXPECT_FALSE(published(0).is_conversation);
  answer = del(conversations + "/talk?before=2026-03-04T05:06:07%2B00:00");
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(json::parse(answer.body).at("operation").at("kind"), "chat");
  EXPECT_TRUE(published(1).is_conversation);
  EXPECT_EQ(published(1).before_ms, 1'772'600'767'000);
  EXPECT_EQ(on_loop([&] { return sink.records.at(1).channel; }), ports::Channel::chat);
  on_loop([&] {
    auto& known = operations.known.begin()->second;
    known.state = ports::OperationState::succeeded;
    known.deleted = 7;
    return 0;
  });
  const auto id = on_loop([&] { return operations.known.begin()->first.second.to_string(); });
  EXPECT_EQ(got("/api/v1/operations/" + id).at("operation").at("deleted").at("chunks"), 7);
}

TEST_F(StoredMemoryTest, ARepeatedDeletionIsTheSameOperation) {
  start();
  const std::string key = "Idempotency-Key: k1\r\n";
  const auto first = json::parse(del(documents + "/a", "ada", key).body).at("operation");
  on_loop([&] {
    world.stored.entries.clear();  // it is gone by now
    operations.known.begin()->second.state = ports::OperationState::succeeded;
    return 0;
  });
  const auto again = del(documents + "/a", "ada", key);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(json::parse(again.body).at("operation").at("id"), first.at("id"));
  EXPECT_EQ(on_loop([&] { return sink.records.size(); }), 1u);
  EXPECT_EQ(del(documents + "/b", "ada", key).status, 422) << "another request";
  EXPECT_EQ(del(documents + "/a").status, 404);
}

TEST_F(StoredMemoryTest, WhatIsOnItsWayCanBeDeleted) {
  world.stored.announced.insert({world.tenant("ada"), MemoryKind::document, "soon"});
  start();
  EXPECT_EQ(del(documents + "/soon").status, 202);
  EXPECT_EQ(del(conversations + "/soon").status, 404);
}

}  // namespace
}  // namespace memseal::test
