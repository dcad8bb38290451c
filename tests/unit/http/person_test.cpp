// What is stored of a person as a whole: counted, exported, erased; by the owner's token alone.
#include "unit/http/knowledge_fixture.hpp"

#include "cases/person/receipt.hpp"
#include "fakes/person_store.hpp"

#include <sstream>

namespace memseal::test {
namespace {

using ports::MemoryKind;

class PersonTest : public KnowledgeDoors {
 protected:
  PersonTest() {
    api.person = &person;
    api.receipts = &receipts;
    for (int number = 0; number < 60; ++number)
      world.remember("ada", MemoryKind::document, "doc " + std::to_string(100 + number),
                     std::vector<std::string>(number == 0 ? 120 : 1, "a text"),
                     {R"({"mime_type":"text/plain","attributes":{"page":1}})"}, "named.txt");
    world.remember("ada", MemoryKind::conversation, "talk", {"hello", "hi"},
                   {R"({"turn":{"id":"m1","role":"user"}})"});
    world.remember("bob", MemoryKind::document, "secret", {"of bob"});
    people.people[world.tenant("ada")] = {
        .state = {.known = true,
                  .counts = {.documents = 60, .conversations = 1, .chunks = 181, .text_bytes = 9}},
        .erasure = {.chunks = 181},
        .rows_left = 3};
    people.people[world.tenant("bob")] = {.state = {.known = true, .counts = {.documents = 1}}};
  }
  ~PersonTest() override { stop(); }

  static std::vector<json::object> lines_of(const std::string& text) {
    std::vector<json::object> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
      lines.push_back(json::parse(line).as_object());
    return lines;
  }
  Answer del(const std::string& query, const std::string& user = "ada") {
    return ask(head("DELETE /api/v1/me" + query, user) + "\r\n");
  }

  fakes::PersonStore people;
  std::vector<crypto::Tenant> forgotten;
  person::EraseDeps person{people, &store,
                           [this](const crypto::Tenant& who) { forgotten.push_back(who); }};
  const crypto::SigningKey receipts = world.keyring.receipt_key();
};

TEST_F(PersonTest, CountsWhatIsStored) {
  start();
  const auto me = json::parse(ask(get("/api/v1/me")).body).at("me");
  EXPECT_EQ(me, (json::value{{"user_id", "ada"}, {"state", "active"}, {"erased_at", nullptr},
                             {"documents", 60}, {"conversations", 1}, {"chunks", 181},
                             {"text_bytes", 9}, {"files", 0}, {"file_bytes", 0}}));
  EXPECT_EQ(ask(get("/api/v1/me?user_id=bob")).status, 400);
  EXPECT_EQ(json::parse(ask(head("GET /api/v1/me", "eve") + "\r\n").body).at_pointer("/me/state"),
            "unknown");
}

TEST_F(PersonTest, ExportsEverythingThatIsTheCallersAndNothingElse) {
  start();
  stored("a.bin", "0123456789");
  const auto answer = ask(get("/api/v1/me/export"));
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("transfer-encoding"), "chunked");
  EXPECT_EQ(answer.field("cache-control"), "no-store");
  const auto lines = lines_of(answer.body);
  std::map<std::string, int> types;
  for (const auto& line : lines) ++types[line.at("type").as_string().c_str()];
  EXPECT_EQ(types, (std::map<std::string, int>{{"export", 1}, {"document", 60}, {"chunk", 179},
                                               {"conversation", 1}, {"turn", 2}, {"file", 1},
                                               {"end", 1}}));
  EXPECT_EQ(lines.front().at("user_id"), "ada");
  EXPECT_EQ(lines[1].at("doc_id"), "doc 100");
  EXPECT_EQ(lines[1].at("name"), "named.txt");
  EXPECT_EQ(lines[1].at("attributes").at("page"), 1);
  EXPECT_EQ(lines[2].at("text"), "a text");
  EXPECT_EQ(lines[2].at("meta").at("mime_type"), "text/plain");
  EXPECT_EQ(lines.back(), (json::object{{"type", "end"}, {"documents", 60}, {"chunks", 179},
                                        {"conversations", 1}, {"turns", 2}, {"files", 1},
                                        {"unopened", 0}}));
  EXPECT_EQ(answer.body.find("of bob"), std::string::npos);
  EXPECT_EQ(lines_of(ask(head("GET /api/v1/me/export", "eve") + "\r\n").body).size(), 2u);
}

/// More than the buffers of a connection hold, so an export of it waits for its reader.
class LargeExport : public PersonTest {
 protected:
  LargeExport() {
    world.remember("ada", MemoryKind::document, "a large one",
                   std::vector<std::string>(240, std::string(60'000, 'x')));
  }
  /// A client that has read the head of an export, and nothing else.
  Client slow_reader() {
    Client client(server->port(), 4'096);
    client.say(get("/api/v1/me/export"));
    EXPECT_EQ(client.head().status, 200);
    return client;
  }
};

TEST_F(LargeExport, ThatFailsOnItsWayIsCutAndNotEnded) {
  start();
  on_loop([&] { world.stored.faults.error = Error{Errc::unavailable, "a fault"}; });
  EXPECT_EQ(ask(get("/api/v1/me/export")).status, 503) << "nothing was sent yet";
  on_loop([&] { world.stored.faults.error.reset(); });
  auto client = slow_reader();
  on_loop([&] { world.stored.faults.error = Error{Errc::unavailable, "a fault"}; });
  const auto rest = client.rest();
  EXPECT_NE(rest.find("a large one"), std::string::npos);
  EXPECT_EQ(rest.find(R"("type":"end")"), std::string::npos);
  EXPECT_FALSE(rest.ends_with("0\r\n\r\n"));
}

TEST_F(LargeExport, EndsWhenItsReaderLeaves) {
  start();
  slow_reader().close();
  EXPECT_TRUE(eventually([&] {
    return world.metrics.render().find("code=\"499\",method=\"GET\"") != std::string::npos;
  }));
  EXPECT_LT(on_loop([&] { return world.stored.faults.calls; }), 60) << "a call for each document";
}

TEST_F(PersonTest, ErasesOnlyWhoConfirmsWithTheOwnId) {
  start();
  for (const auto& query : {"", "?confirm=", "?confirm=bob", "?confirm=ADA"})
    EXPECT_EQ(del(query).status, 422) << query;
  EXPECT_EQ(del("?confirm=ada&user_id=bob").status, 400);
  EXPECT_EQ(del("?confirm=ada", "bob").status, 422) << "another user's id";
  EXPECT_FALSE(on_loop([&] { return people.people[world.tenant("ada")].state.erased_at_ms; }));
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
}

TEST_F(PersonTest, ErasesAndGivesTheSameReceiptEachTime) {
  start();
  stored("a.bin", "0123456789");
  const auto answer = del("?confirm=ada");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto receipt = person::parse_receipt(answer.body);
  ASSERT_TRUE(receipt) << receipt.error().message;
  EXPECT_TRUE(person::is_signed_by(*receipt, receipts.verifying_key()));
  EXPECT_EQ(receipt->user, world.tenant("ada").hash());
  EXPECT_EQ(receipt->erasure.chunks, 181);
  EXPECT_EQ(on_loop([&] { return forgotten; }), std::vector{world.tenant("ada")});
  EXPECT_TRUE(on_loop([&] { return store.objects.empty(); }));
  EXPECT_EQ(del("?confirm=ada").body, answer.body);
  EXPECT_EQ(json::parse(ask(get("/api/v1/me")).body).at_pointer("/me/state"), "erased");
  EXPECT_FALSE(on_loop([&] { return people.people[world.tenant("bob")].state.erased_at_ms; }));
}

}  // namespace
}  // namespace memseal::test
