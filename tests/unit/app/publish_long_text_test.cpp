// Texts for which an event has no room.
#include "unit/app/publish_bed.hpp"
#include "app/cli/child_process.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "support/scripted_server.hpp"

#include <csignal>
#include <mutex>

namespace memseal::app {
namespace {

/// How ada reaches the service.
std::vector<std::string> address_of(const std::string& url) {
  const auto claims = codec::encode_base64(bytes_of(R"({"sub":"ada"})"), codec::Base64::url);
  return {"--url", url, "--token", "e30." + claims + ".x"};
}

/// Keeps long texts as the service does. Thread: that of each connection.
class Shelf {
 public:
  explicit Shelf(std::string answer = created)
      : server_([this, answer = std::move(answer)](test::Peer& peer) {
          for (auto request = peer.read_request(); !request.empty();
               request = peer.read_request()) {
            const bool is_delete = request.starts_with("DELETE ");
            {
              const std::lock_guard lock(guard_);
              requests_.push_back(std::move(request));
            }
            if (on_request) on_request();
            peer.send(is_delete ? "HTTP/1.1 204 No Content\r\n\r\n" : answer);
          }
        }) {}
  std::vector<std::string> address() const { return address_of(server_.url()); }
  std::vector<std::string> requests() {
    const std::lock_guard lock(guard_);
    return requests_;
  }

  std::function<void()> on_request;

  static inline const std::string id = "0b6f6f7e-0000-4000-8000-00000000000a";
  static inline const std::string created =
      test::response_of("201 Created", R"({"file":{"id":")" + id + "\"}}");

 private:
  std::mutex guard_;
  std::vector<std::string> requests_;
  test::ScriptedServer server_;
};

/// Takes a text and closes the connection instead of answering; afterwards it lists what it took.
class Forgetful {
 public:
  Forgetful()
      : server_([this](test::Peer& peer) {
          for (auto request = peer.read_request(); !request.empty();
               request = peer.read_request()) {
            const std::lock_guard lock(guard_);
            requests_.push_back(request.substr(0, request.find(' ', request.find(' ') + 1)));
            if (request.starts_with("POST ")) {
              const std::string before = "%28publish%20";
              event_ = request.substr(request.find(before) + before.size(), 36);
              return;
            }
            const auto file = R"({"files":[{"id":")" + Uuid{}.to_string() +
                              R"(","name":"other.md"},{"id":")" + Shelf::id +
                              R"(","name":"long.md (publish )" + event_ + ")\"}]}";
            peer.send(request.starts_with("DELETE ") ? "HTTP/1.1 204 No Content\r\n\r\n"
                                                     : test::response_of("200 OK", file));
          }
        }) {}
  std::string url() const { return server_.url(); }
  std::vector<std::string> requests() {
    const std::lock_guard lock(guard_);
    return requests_;
  }

 private:
  std::mutex guard_;
  std::vector<std::string> requests_;
  std::string event_;
  test::ScriptedServer server_;
};

using PublishLongText = Publish;

const std::string long_text(1'048'500, 'x');

/// `publish upload WORDS…` with a place for long texts.
std::vector<std::string> upload_to(const Shelf& shelf, std::vector<std::string> words) {
  words.insert(words.begin(), "upload");
  for (auto& word : shelf.address()) words.push_back(std::move(word));
  return words;
}

TEST_F(PublishLongText, StoresALongTextFirstAndRemovesItOnceItIsADocument) {
  std::ofstream("long.md") << long_text;
  Shelf shelf;
  std::string reference;
  const Ingest ingest(broker, "memory.upload.v1", [&](const json::value& event) {
    reference = event.at("data").at("content").at("ref").as_string();
    return stored(event);
  });
  // Its file is removed once it is a document, so that is waited for in any case.
  const auto ran = publish(upload_to(shelf, {"long.md", "--no-wait"}));
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("stored long.md, 3 chunks, "));
  EXPECT_EQ(reference, "memseal-file:" + Shelf::id);
  const auto requests = shelf.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0], testing::StartsWith("POST /api/v1/knowledge/files HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], testing::HasSubstr("X-Memseal-Name: long.md%20%28publish%20"));
  EXPECT_THAT(requests[0], testing::HasSubstr("Content-Type: text/markdown\r\n"));
  EXPECT_TRUE(requests[0].ends_with("\r\n\r\n" + long_text));
  EXPECT_THAT(requests[1], testing::StartsWith("DELETE /api/v1/knowledge/files/" + Shelf::id));
}

TEST_F(PublishLongText, KeepsALongTextThatADeadLetterRefersTo) {
  std::ofstream("long.md") << long_text;
  Shelf shelf;
  const Ingest ingest(broker, "memory.upload.v1", [](const json::value&) -> json::object {
    return {{"outcome", "dead_lettered"}, {"error_code", "internal"}};
  });
  const auto ran = publish(upload_to(shelf, {"long.md"}));
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_THAT(ran.err, testing::HasSubstr("the text of long.md stays stored: its dead letter "
                                          "refers to it; `memseal files rm " + Shelf::id));
  EXPECT_EQ(shelf.requests().size(), 1u);
}

TEST_F(PublishLongText, RemovesALongTextThatNoReplayMakesADocument) {
  std::ofstream("long.md") << long_text;
  Shelf shelf;
  const Ingest ingest(broker, "memory.upload.v1", [](const json::value&) -> json::object {
    return {{"outcome", "dead_lettered"}, {"error_code", "event_too_large"}};
  });
  const auto ran = publish(upload_to(shelf, {"long.md"}));
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_THAT(ran.err, testing::Not(testing::HasSubstr("stays stored")));
  const auto requests = shelf.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[1], testing::StartsWith("DELETE /api/v1/knowledge/files/" + Shelf::id));
}

TEST_F(PublishLongText, RemovesATextWhoseAnswerWasLost) {
  std::ofstream("long.md") << long_text;
  Forgetful service;
  auto words = address_of(service.url());
  words.insert(words.begin(), {"upload", "long.md"});
  const auto ran = publish(words);
  EXPECT_EQ(ran.code, exit_not_ready) << ran.err;
  EXPECT_THAT(ran.err, testing::HasSubstr("the text of long.md is not stored: "));
  const auto requests = service.requests();
  ASSERT_GE(requests.size(), 3u) << ran.err;
  EXPECT_EQ(requests.back(), "DELETE /api/v1/knowledge/files/" + Shelf::id);
}

TEST_F(PublishLongText, ASignalBetweenTwoTextsLeavesNothing) {
  std::ofstream("a.md") << long_text;
  std::ofstream("b.md") << long_text;
  Shelf shelf;
  shelf.on_request = [] { std::raise(SIGINT); };
  // Tests in the background of a script inherit that the signal is ignored.
  const auto before = std::signal(SIGINT, SIG_DFL);
  const OnExit restored([before] { std::signal(SIGINT, before); });
  const auto ran = publish(upload_to(shelf, {"a.md", "b.md"}));
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(ran.err, "memseal: stopped by a signal; nothing was published\n");
  const auto requests = shelf.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0], testing::StartsWith("POST "));
  EXPECT_THAT(requests[1], testing::StartsWith("DELETE "));
}

TEST_F(PublishLongText, ASignalThatWasIgnoredStaysIgnored) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const Interruptible interruptible;
    std::raise(SIGHUP);
    EXPECT_FALSE(was_interrupted());
    std::raise(SIGTERM);
    EXPECT_TRUE(was_interrupted());
  }
  EXPECT_EQ(std::signal(SIGHUP, before), SIG_IGN);
}

TEST_F(PublishLongText, WaitsForNoShortOneWithNoWaitAndNoLongerThanItIsTold) {
  std::ofstream("long.md") << long_text;
  Shelf shelf;
  const Ingest ingest(broker, "memory.upload.v1", [](const json::value& event) {
    return event.at("data").at("content").as_object().contains("ref") ? stored(event)
                                                                       : json::object();
  });
  auto ran = publish(upload_to(shelf, {"gym.md", "long.md", "--no-wait"}));
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, testing::StartsWith("stored long.md, 3 chunks, "));
  EXPECT_THAT(ran.out, testing::HasSubstr("published 2 documents on memory.upload.v1\n"));
  ran = publish(upload_to(shelf, {"gym.md", "long.md", "--timeout", "1"}));
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_THAT(ran.err, testing::HasSubstr("1 event is published, but not known to be stored after "
                                          "1 s"));
}

TEST_F(PublishLongText, PublishesNothingWhereALongTextCannotBeStored) {
  std::ofstream("long.md") << long_text;
  Shelf away(test::response_of("503 Service Unavailable",
                               R"({"code":"bad_config","detail":"not set up"})"));
  const auto tail = kafka::Tail::open({.brokers = broker.bootstrap()}, "memory.upload.v1", 5s);
  auto ran = publish(upload_to(away, {"gym.md", "long.md"}));
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_EQ(ran.err,
            "memseal: the text of long.md is not stored: HTTP 503: not set up; nothing was "
            "published\n"
            "memseal: does the service keep files? its files.directory must be set\n");
  EXPECT_FALSE((*tail)->next(200ms));
  Shelf shelf;
  ran = publish(upload_to(shelf, {"long.md"}), "127.0.0.1:1");
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_THAT(shelf.requests(), testing::IsEmpty()) << "there is no broker";
}

TEST_F(PublishLongText, NeedsATokenOfTheUserForALongText) {
  fs::create_directory("docs");
  std::ofstream("docs/long.md") << long_text;
  std::ofstream("docs/a.md") << "a";
  Shelf shelf;
  auto words = upload_to(shelf, {"docs/long.md", "--user", "bob"});
  words.insert(words.begin(), "publish");
  auto ran = run_program(words);
  EXPECT_EQ(ran.code, exit_usage);
  EXPECT_EQ(ran.err,
            "memseal: docs/long.md has 1048500 bytes of text, for which an event has no room, so "
            "it has to go to the service first: the token is not one of the user that --user "
            "names\n"
            "memseal: nothing was sent\n");
  // It is the call that lacks something: nothing is left out quietly.
  for (const auto& named : {std::vector<std::string>{"upload", "docs", "-q"},
                            {"upload", "docs", "docs/long.md"},
                            {"upload", "docs/long.md", "docs"}}) {
    ran = publish(named);
    EXPECT_EQ(ran.code, exit_usage);
    EXPECT_THAT(ran.err, testing::HasSubstr("no token is given"));
    EXPECT_THAT(ran.err, testing::EndsWith("memseal: nothing was sent\n"));
  }
}

TEST_F(PublishLongText, ShowsTheEventOfALongTextAndStoresNothing) {
  std::ofstream("long.md") << long_text;
  const auto ran = publish({"upload", "long.md", "--dry-run"});
  EXPECT_EQ(ran.code, exit_ok);
  EXPECT_EQ(json::parse(ran.out).at("data").at("content").at("ref").as_string(),
            "memseal-file:" + Uuid{}.to_string());
  EXPECT_THAT(ran.err, testing::HasSubstr("its text would be stored first"));
}

TEST_F(PublishLongText, RefusesATextThatNoDocumentHolds) {
  std::ofstream("long.md") << std::string(limits::referenced_text_bytes_max + 1, 'x');
  const auto ran = publish({"upload", "long.md"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_THAT(ran.err, testing::HasSubstr("bytes of text, and a document has at most "));
}

}  // namespace
}  // namespace memseal::app
