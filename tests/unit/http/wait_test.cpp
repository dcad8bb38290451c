// A write that waits until what it wrote can be found.
#include "http/routes/wait_preference.hpp"
#include "unit/http/fixture.hpp"

#include <boost/json/parse.hpp>

namespace memseal::test {
namespace {

namespace json = boost::json;
using http::wait_preference;

http::RequestHead head_of(const std::string& target, std::vector<std::string> preferences) {
  http::RequestHead head{};
  head.target = target;
  for (auto& value : preferences) head.fields.push_back({"prefer", std::move(value)});
  return head;
}

TEST(WaitPreference, IsReadFromTheTargetOrFromPrefer) {
  struct Case {
    std::string target;
    std::vector<std::string> preferences;
    int seconds;
    bool preferred;
  };
  const Case cases[] = {
      {"/i", {}, 0, false},
      {"/i?wait=5", {}, 5, false},
      {"/i?wait=99999999999999999999", {}, 30, false},
      {"/i?a=b&wait=31", {"wait=7"}, 30, false},
      {"/i", {"wait=7"}, 7, true},
      {"/i", {"respond-async, WAIT=\"8\"; x=y"}, 8, true},
      {"/i", {"respond-async", "wait=9", "wait=2"}, 9, true},
      {"/i", {"wait=soon"}, 0, false},
      {"/i", {"wait=-1"}, 0, false},
      {"/i", {"wait"}, 0, false},
      {"/i", {"waiter=4"}, 0, false}};
  for (const auto& [target, preferences, seconds, preferred] : cases) {
    const auto wait = wait_preference(head_of(target, preferences));
    ASSERT_TRUE(wait) << target;
    EXPECT_EQ(wait->time, std::chrono::seconds(seconds)) << target;
    EXPECT_EQ(wait->preferred, preferred) << target;
  }
  for (const auto* bad : {"/i?wait", "/i?wait=", "/i?wait=5s", "/i?wait=-1", "/i?wait=1.5"})
    EXPECT_FALSE(wait_preference(head_of(bad, {"wait=1"}))) << bad;
}

class WaitTest : public ServerTest {
 protected:
  const std::string body = R"({"text":"remember me","doc_id":"note"})";

  std::size_t announced() {
    return on_loop([&] { return operations.known.size(); });
  }
  void end_operation(ports::OperationState state) {
    ASSERT_TRUE(eventually([&] { return sink.records.size() == 1; }));
    on_loop([&] { return operations.known.begin()->second.state = state; });
  }
};

TEST_F(WaitTest, AnswersWithTheOperationThatEnded) {
  start();
  auto client = connect();
  client.say(post(index_path, body, "Prefer: wait=20\r\n"));
  end_operation(ports::OperationState::succeeded);
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.field("preference-applied"), "wait=20");
  EXPECT_EQ(json::parse(answer.body).at("operation").at("state"), "succeeded");
  EXPECT_TRUE(answer.field("location").starts_with("/api/v1/operations/"));
}

TEST_F(WaitTest, AnswersThatTheOperationFailed) {
  start();
  auto client = connect();
  client.say(post(index_path + "?wait=20", body));
  end_operation(ports::OperationState::failed);
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.has("preference-applied")) << "nobody preferred";
  EXPECT_EQ(json::parse(answer.body).at("operation").at("state"), "failed");
}

TEST_F(WaitTest, AnswersAsWithoutAWaitWhenTheTimeIsOver) {
  start();
  const auto began = std::chrono::steady_clock::now();
  const auto answer = ask(post(index_path + "?wait=1", body));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s);
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(json::parse(answer.body).at("operation").at("state"), "queued");
}

TEST_F(WaitTest, MayBeLongerThanARequest) {
  options.request_deadline = 100ms;
  start();
  EXPECT_EQ(ask(post(index_path, body, "Prefer: wait=1\r\n")).status, 202);
}

TEST_F(WaitTest, IsRefusedBeforeAnythingIsAccepted) {
  start();
  const auto answer = ask(post(index_path + "?wait=soon", body));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(json::parse(answer.body).at("field"), "wait");
  EXPECT_EQ(announced(), 0u);
}

TEST_F(WaitTest, EndsWithTheClientAndKeepsTheDocument) {
  start();
  auto client = connect();
  client.say(post(index_path, body, "Prefer: wait=20\r\n"));
  ASSERT_TRUE(eventually([&] { return sink.records.size() == 1; }));
  client.close();
  const auto ended = "memseal_http_requests_total{code=\"499\",method=\"POST\",route=\"" +
                     index_path + "\"} 1";
  EXPECT_TRUE(eventually([&] { return world.metrics.render().find(ended) != std::string::npos; }));
  EXPECT_EQ(announced(), 1u);
}

TEST_F(WaitTest, EndsWhenTheServerDrains) {
  start();
  auto client = connect();
  client.say(post(index_path, body, "Prefer: wait=20\r\n"));
  ASSERT_TRUE(eventually([&] { return sink.records.size() == 1; }));
  const auto began = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_EQ(client.answer().status, 202) << "the document is accepted";
}

TEST_F(WaitTest, OfOneUserLeavesPlacesToOthers) {
  start();
  const auto waiting = [&](int count) {
    return eventually([&] {
      const auto line = "memseal_http_waits_active " + std::to_string(count) + "\n";
      return world.metrics.render().find(line) != std::string::npos;
    });
  };
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(connect());
    clients.back().say(post(index_path, body, "Prefer: wait=20\r\n"));
  }
  ASSERT_TRUE(waiting(8));
  const auto began = std::chrono::steady_clock::now();
  const auto refused = ask(post(index_path, body, "Prefer: wait=20\r\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_EQ(refused.status, 202) << "the document is accepted";
  EXPECT_FALSE(refused.has("preference-applied"));
  clients.push_back(connect());
  clients.back().say(post(index_path, body, "Prefer: wait=20\r\n", "bob"));
  ASSERT_TRUE(waiting(9));
  on_loop([&] {
    for (auto& [key, operation] : operations.known)
      operation.state = ports::OperationState::succeeded;
    return 0;
  });
  for (auto& client : clients) EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(waiting(0));
}

TEST_F(WaitTest, TakesNoMoreThanThePlacesOfAProcess) {
  http::OpenWaits waits(2, 1);
  const auto tenant = [&](const char* user) {
    return world.tenants.tenant_of(UserId::parse(user).value());
  };
  auto ada = waits.enter(tenant("ada"));
  EXPECT_TRUE(ada);
  EXPECT_FALSE(waits.enter(tenant("ada")));
  const auto bob = waits.enter(tenant("bob"));
  EXPECT_TRUE(bob);
  EXPECT_FALSE(waits.enter(tenant("eve"))) << "the process has two places";
  ada.reset();
  EXPECT_TRUE(waits.enter(tenant("eve")));
}

TEST_F(WaitTest, LooksLessOftenTheLongerItTakes) {
  start();
  EXPECT_EQ(ask(post(index_path + "?wait=2", body)).status, 202);
  EXPECT_LE(on_loop([&] { return operations.finds; }), 8);
}

TEST_F(WaitTest, NeverMakesAnAcceptedDocumentATimeout) {
  std::vector<http::Route> short_of_time(routes.begin(), routes.end());
  for (auto& route : short_of_time)
    if (route.pattern == index_path) route.time_max = 1s;
  routes = short_of_time;
  start();
  EXPECT_EQ(ask(post(index_path, body, "Prefer: wait=20\r\n")).status, 202)
      << "the route's time ends before the wait";
  on_loop([&] { return operations.find_time = 3s; });
  EXPECT_EQ(ask(post(index_path, body, "Prefer: wait=20\r\n")).status, 202)
      << "a look ignores its deadline";
  stop();
}

TEST_F(WaitTest, LogsAFailingLookOnce) {
  operations.unseen = 1'000;
  start();
  testing::internal::CaptureStderr();
  EXPECT_EQ(ask(post(index_path + "?wait=1", body)).status, 202);
  const auto log = testing::internal::GetCapturedStderr();
  const auto first = log.find("http.operation_not_seen");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("http.operation_not_seen", first + 1), std::string::npos) << log;
}

TEST_F(WaitTest, SurvivesAnOutageOfTheDatabase) {
  start();
  auto client = connect();
  client.say(post(index_path, body, "Prefer: wait=20\r\n"));
  ASSERT_TRUE(eventually([&] { return sink.records.size() == 1; }));
  on_loop([&] { return operations.unseen = 3; });
  end_operation(ports::OperationState::succeeded);
  EXPECT_EQ(client.answer().status, 200);
}

}  // namespace
}  // namespace memseal::test
