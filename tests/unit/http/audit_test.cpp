// What the audit log says of requests, and what is refused without it.
#include "unit/http/knowledge_fixture.hpp"

#include "fakes/audit_log.hpp"
#include "fakes/person_store.hpp"

#include <gmock/gmock.h>

namespace memseal::test {
namespace {

using ports::MemoryKind;
using testing::ElementsAre;

class AuditDoors : public KnowledgeDoors {
 protected:
  AuditDoors() {
    api.person = &person;
    api.receipts = &receipts;
    auditor = &audited;
    world.remember("ada", MemoryKind::document, "salary", {"a text"});
    world.remember("ada", MemoryKind::conversation, "talk", {"hello"});
    people.people[world.tenant("ada")] = {.state = {.known = true}};
  }
  ~AuditDoors() override { stop(); }

  /// What is in the log once everything that was noted is written.
  std::vector<audit::Event> written() {
    bool done = false;
    const auto drain = [&]() -> asio::awaitable<void> {
      const runtime::RequestContext context{"test"};
      co_await audited.drain(context);
      done = true;
    };
    asio::co_spawn(loop, drain(), [](std::exception_ptr) {});
    EXPECT_TRUE(eventually([&] { return done; }));
    return on_loop([&] { return log.written; });
  }
  /// The same, once there are `count`: a client has the end of a stream before the record of it.
  std::vector<audit::Event> written(std::size_t count) {
    for (int i = 0; i < 500 && written().size() < count; ++i) std::this_thread::sleep_for(10ms);
    return written();
  }
  /// What stands for ids of ada's in a record.
  Bytes marks_of(const std::vector<std::string>& ids) const {
    const audit::Marks marks(world.keyring.audit_key());
    audit::Event event{.action = "", .who = world.tenant("ada"), .documents = ids};
    audit::hash_documents(marks, event);
    return event.marks;
  }
  static std::vector<std::string> lines_of(const std::vector<audit::Event>& events) {
    std::vector<std::string> lines;
    for (const auto& event : events)
      lines.push_back(event.action + " " + std::string(audit::outcome_name(event.outcome)));
    return lines;
  }

  fakes::AuditLog log;
  auditing::AuditMetrics counts{world.metrics};
  auditing::Auditor audited{log, counts, audit::Marks(world.keyring.audit_key()), {}};
  fakes::PersonStore people;
  person::EraseDeps person{people, &store, {}};
  const crypto::SigningKey receipts = world.keyring.receipt_key();
};

TEST_F(AuditDoors, SayWhoDidWhatWithWhichDocuments) {
  world.fill("ada", 3);
  start();
  EXPECT_EQ(ask(post(query_path, question, "X-Request-ID: r-7\r\n")).status, 200);
  EXPECT_EQ(ask(get("/api/v1/memory/documents")).status, 200);
  EXPECT_EQ(ask(get("/api/v1/memory/documents/salary")).status, 200);
  EXPECT_EQ(ask(get("/api/v1/memory/documents/other")).status, 404);
  EXPECT_EQ(ask(post(index_path, R"({"text":"a text","doc_id":"new"})")).status, 202);
  const auto events = written();
  EXPECT_THAT(lines_of(events), ElementsAre("memory.query done", "memory.list done",
                                            "memory.show done", "memory.show refused",
                                            "memory.index done"));
  const auto& query = events.at(0);
  EXPECT_EQ(query.request_id, "r-7");
  EXPECT_EQ(query.status, 200);
  EXPECT_EQ(query.who, world.tenant("ada"));
  EXPECT_EQ(query.address, "127.0.0.1");
  EXPECT_TRUE(query.actor.starts_with("token:~")) << query.actor;
  EXPECT_EQ(query.marks, marks_of({"doc", "doc", "doc"}));
  EXPECT_EQ(events.at(1).marks, marks_of({"salary"}));
  EXPECT_EQ(events.at(2).marks, marks_of({"salary"}));
  EXPECT_EQ(events.at(3).status, 404);
  EXPECT_EQ(events.at(4).marks, marks_of({"new"}));
}

TEST_F(AuditDoors, AStreamIsRecordedToo) {
  world.fill("ada", 2);
  start();
  auto client = connect();
  client.say(post(query_path, question, "Accept: text/event-stream\r\nConnection: close\r\n"));
  EXPECT_NE(client.rest().find("query.completed"), std::string::npos);
  const auto events = written(1);
  ASSERT_THAT(lines_of(events), ElementsAre("memory.query done"));
  EXPECT_EQ(events[0].count, 2);
}

TEST_F(AuditDoors, StrangersAndEmptyBucketsFillNoLog) {
  start();
  EXPECT_EQ(ask("GET /api/v1/memory/documents HTTP/1.1\r\nHost: memseal\r\n\r\n").status, 401);
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\nHost: memseal\r\n\r\n").status, 200);
  // No bucket bounds what is refused before it is charged.
  EXPECT_EQ(ask(post(query_path, "{}")).status, 422);
  EXPECT_EQ(ask(post(query_path, "{")).status, 400);
  EXPECT_EQ(ask(get("/api/v1/memory/documents?limit=x")).status, 400);
  EXPECT_EQ(ask(head("DELETE /api/v1/me") + "\r\n").status, 422) << "without its confirm";
  on_loop([&] { limiter.admission.allowed = false; });
  EXPECT_EQ(ask(get("/api/v1/memory/documents")).status, 429);
  EXPECT_TRUE(written().empty());
}

TEST_F(AuditDoors, ErasuresExportsAndDownloadsStandThereBeforeTheyAreDone) {
  start();
  EXPECT_EQ(content(id_of(stored("a.bin", "0123456789"))).body, "0123456789");
  EXPECT_EQ(ask(get("/api/v1/me/export")).status, 200);
  EXPECT_EQ(ask(head("DELETE /api/v1/me?confirm=ada") + "\r\n").status, 200);
  auto client = connect();
  client.say(head("HEAD /api/v1/me/export") + "\r\n");
  EXPECT_EQ(client.answer(true).status, 200);
  EXPECT_THAT(lines_of(written(8)),
              testing::UnorderedElementsAre(
                  "file.upload done", "file.download begun", "file.download done",
                  "person.export begun", "person.export done", "person.erase begun",
                  "person.erase done", "person.export done"));
}

TEST_F(AuditDoors, WhatMustBeInTheLogIsNotDoneWithoutIt) {
  start();
  const auto id = id_of(stored("a.bin", "0123456789"));
  on_loop([&] { log.faults.error = Error{Errc::unavailable, "a fault of the test"}; });
  for (const auto& request :
       {get("/api/v1/knowledge/files/" + id + "/content"), get("/api/v1/me/export"),
        head("DELETE /api/v1/me?confirm=ada") + "\r\n"}) {
    const auto answer = ask(request);
    EXPECT_EQ(answer.status, 503) << request;
    EXPECT_EQ(answer.field("retry-after"), "1");
    EXPECT_EQ(answer.body.find("0123456789"), std::string::npos);
  }
  EXPECT_FALSE(on_loop([&] { return people.people[world.tenant("ada")].state.erased_at_ms; }));
  // What only reads or writes goes on.
  EXPECT_EQ(ask(get("/api/v1/memory/documents")).status, 200);
}

TEST_F(AuditDoors, OrdersOfOperatorsAreRecordedAndTakenWithoutTheDatabase) {
  std::vector<bool> switched;
  switch_rerank = [&](bool on) { switched.push_back(on); };
  start();
  on_loop([&] { log.faults.error = Error{Errc::unavailable, "a fault of the test"}; });
  EXPECT_EQ(ask(order("/flags/rerank/off")).status, 200);
  EXPECT_EQ(ask("POST /flags/rerank/on HTTP/1.1\r\nHost: memseal\r\nContent-Length: 0\r\n\r\n")
                .status,
            401);
  EXPECT_THAT(switched, ElementsAre(false));
  on_loop([&] { log.faults.error.reset(); });
  const auto events = written();
  ASSERT_THAT(lines_of(events), ElementsAre("admin.rerank_off done")) << "and no stranger's";
  EXPECT_EQ(events[0].actor, "operator");
}

TEST_F(AuditDoors, ARequestIdThatCouldForgeALineIsReplaced) {
  start();
  for (const auto* id : {"a b", "x\ty", "\"q\"", "a;b", "%0a", "<script>", "ü"}) {
    const auto answer =
        ask(head("GET /api/v1/memory/documents", "ada", std::string("X-Request-ID: ") + id +
                                                            "\r\n") + "\r\n");
    EXPECT_NE(answer.field("x-request-id"), id);
  }
  const auto twice = ask(head("GET /api/v1/memory/documents", "ada",
                              "X-Request-ID: one\r\nX-Request-ID: two\r\n") + "\r\n");
  EXPECT_NE(twice.field("x-request-id"), "one");
  const auto long_id =
      ask(head("GET /api/v1/memory/documents", "ada",
               "X-Request-ID: " + std::string(65, 'a') + "\r\n") + "\r\n");
  EXPECT_NE(long_id.field("x-request-id"), std::string(65, 'a'));
  for (const auto& event : written())
    EXPECT_TRUE(http::is_request_id(event.request_id)) << event.request_id;
}

TEST(RequestLog, AdmitsSomeOfEachKindEachSecondAndCountsTheOthers) {
  using http::LoggedKind;
  http::RequestLog lines(2);
  const runtime::Clock::time_point begin{1h};
  EXPECT_TRUE(lines.admits(LoggedKind::succeeded, begin));
  EXPECT_TRUE(lines.admits(LoggedKind::succeeded, begin + 1ms));
  EXPECT_FALSE(lines.admits(LoggedKind::succeeded, begin + 2ms));
  EXPECT_FALSE(lines.admits(LoggedKind::succeeded, begin + 999ms));
  // A flood of one kind hides no other.
  for (const auto kind : {LoggedKind::refused, LoggedKind::failed, LoggedKind::redirected})
    EXPECT_TRUE(lines.admits(kind, begin + 3ms));
  EXPECT_TRUE(lines.admits(LoggedKind::succeeded, begin + 1s));
  EXPECT_EQ(lines.take_unlogged(LoggedKind::succeeded), 2);
  EXPECT_EQ(lines.take_unlogged(LoggedKind::succeeded), 0);
  EXPECT_FALSE(http::RequestLog(0).admits(LoggedKind::failed, begin));
}

}  // namespace
}  // namespace memseal::test
