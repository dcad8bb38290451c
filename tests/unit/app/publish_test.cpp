// `memseal publish` against the embedded broker, with a few lines in the place of ingest.
#include "unit/app/publish_bed.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace memseal::app {
namespace {

TEST_F(Publish, SaysThatADocumentIsStored) {
  const Ingest ingest(broker, "memory.upload.v1", stored);
  const auto ran = publish({"upload", "gym.md"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_THAT(ran.out, testing::MatchesRegex("stored gym.md, 3 chunks, [0-9]+ ms\n"));
  EXPECT_EQ(ran.err, "");
}

TEST_F(Publish, SumsUpSeveralDocuments) {
  const Ingest ingest(broker, "memory.upload.v1", stored);
  const auto ran = publish({"upload", ".", "gym.md"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_THAT(ran.out, testing::MatchesRegex("stored 2 documents, 6 chunks, [0-9]+ ms\n"));
  EXPECT_EQ(ran.err, "") << "no progress where nobody watches";
}

TEST_F(Publish, SaysWhatIngestRefused) {
  const Ingest ingest(broker, "memory.upload.v1", [](const json::value& event) {
    if (event.at("data").at("doc_id") == "tea.md") return stored(event);
    return json::object{{"outcome", "dead_lettered"}, {"error_code", "event_too_large"}};
  });
  auto ran = publish({"upload", "gym.md", "tea.md"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(ran.err, "memseal: gym.md is not stored: event_too_large: The event is too large\n");
  EXPECT_THAT(ran.out, testing::StartsWith("stored tea.md, 3 chunks, "));
  ran = publish({"upload", "gym.md", "--json"});
  EXPECT_EQ(ran.code, exit_failed);
  const auto end = ran.out.find('\n');
  const auto line = json::parse(ran.out.substr(0, end));
  EXPECT_EQ(line.at("state"), "failed");
  EXPECT_EQ(line.at("code"), "event_too_large");
  const auto error = json::parse(ran.out.substr(end + 1)).at("error");
  EXPECT_EQ(error.at("code"), "event_too_large");
  EXPECT_EQ(error.at("message"), "gym.md is not stored: event_too_large: The event is too large");
}

TEST_F(Publish, PrintsOneLineOfJsonAnEvent) {
  const Ingest ingest(broker, "memory.chat.v1", stored);
  const auto ran = publish({"chat", "--conversation", "c1", "user:I like tea.", "--json"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  const auto line = json::parse(ran.out);
  EXPECT_EQ(line.at("state"), "stored");
  EXPECT_EQ(line.at("chunks"), 3);
  EXPECT_EQ(line.at("topic"), "memory.chat.v1");
  EXPECT_EQ(line.at("event_id").as_string().size(), 36u);
  EXPECT_GE(line.at("took_ms").as_int64(), 0);
}

TEST_F(Publish, TellsAnErasedUserAndANewerRevision) {
  for (const auto& [outcome, why] : {std::pair("erased", "the memory of this user was erased"),
                                     std::pair("superseded", "a newer revision")}) {
    const Ingest ingest(broker, "memory.upload.v1",
                        [outcome = outcome](const json::value&) -> json::object {
                          return {{"outcome", outcome}};
                        });
    const auto ran = publish({"upload", "gym.md"});
    EXPECT_EQ(ran.code, exit_failed);
    EXPECT_THAT(ran.err, testing::HasSubstr(why));
  }
}

TEST_F(Publish, WaitsNoLongerThanItIsTold) {
  const auto ran = publish({"upload", "gym.md", "--timeout", "1"});
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "memseal: 1 event is published, but not known to be stored after 1 s: is the service "
            "running, with kafka.status_events on?\n");
}

TEST_F(Publish, NamesTheSilenceInJson) {
  const auto ran = publish({"upload", "gym.md", "--timeout", "1", "--json"});
  EXPECT_EQ(ran.code, exit_not_ready);
  const auto end = ran.out.find('\n');
  EXPECT_EQ(json::parse(ran.out.substr(0, end)).at("state"), "published");
  EXPECT_EQ(json::parse(ran.out.substr(end + 1)).at("error").at("code"), "timeout");
}

TEST_F(Publish, ReturnsAtOnceWhereItIsAskedTo) {
  auto ran = publish({"upload", "gym.md", "--no-wait"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("published gym.md as event "));
  ran = publish({"upload", "gym.md", "--no-wait", "--wait"});
  EXPECT_EQ(ran.code, exit_usage);
}

TEST_F(Publish, SaysThatItCannotWaitWithoutStatusEvents) {
  auto ran = publish({"upload", "gym.md", "--set", "kafka.status_events=false"});
  EXPECT_EQ(ran.code, exit_ok);
  EXPECT_EQ(ran.err,
            "memseal: not waiting until the events are stored: status events are off "
            "(kafka.status_events)\n");
  ran = publish({"upload", "gym.md", "--wait", "--set", "kafka.status_events=false"});
  EXPECT_EQ(ran.code, exit_usage);
  EXPECT_THAT(ran.err, testing::HasSubstr("nothing was sent"));
}

TEST_F(Publish, SaysWithinSecondsThatThereIsNoBroker) {
  const auto began = std::chrono::steady_clock::now();
  const auto ran = publish({"upload", "gym.md"}, "127.0.0.1:1");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_EQ(ran.err,
            "memseal: no broker at 127.0.0.1:1; check kafka.brokers, and that the broker runs; "
            "nothing was sent\n");
}

TEST_F(Publish, NamesWhatOfAnEventIsWrong) {
  const auto ran = publish({"upload", "gym.md", "--tag", std::string(65, 'x')});
  EXPECT_EQ(ran.err,
            "memseal: gym.md: /data/tags/0 must have 1 to 64 bytes\nmemseal: nothing was sent\n");
}

TEST_F(Publish, SendsNothingWhereOneInputIsRefused) {
  const auto tail = kafka::Tail::open({.brokers = broker.bootstrap()}, "memory.upload.v1", 5s);
  const auto ran = publish({"upload", "gym.md", "missing"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(ran.err,
            "memseal: cannot read missing: No such file or directory\nmemseal: nothing was sent\n");
  EXPECT_FALSE((*tail)->next(200ms));
}

TEST_F(Publish, RefusesATurnThatSaysNothing) {
  for (const std::string turn : {"user:", "user: \t", "user:\xe3\x80\x80"}) {
    const auto ran = publish({"chat", "--conversation", "c1", turn});
    EXPECT_EQ(ran.code, exit_usage);
    EXPECT_EQ(ran.err, "memseal: turn 1 (user) says nothing\n");
  }
}

TEST_F(Publish, FindsNoFaultInAFolderWhoseFilesAreNamedToo) {
  fs::create_directory("docs");
  std::ofstream("docs/a.md") << "a";
  const auto ran = publish({"upload", "docs/a.md", "docs", "--dry-run"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
}

TEST_F(Publish, SaysThatAnEventWasStoredBefore) {
  const Ingest ingest(broker, "memory.upload.v1", [](const json::value&) -> json::object {
    return {{"outcome", "duplicate"}};
  });
  const auto ran = publish({"upload", "gym.md"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("stored before: gym.md, "));
}

/// The master side of a terminal that is stdout while this object lives.
class TerminalOutput {
 public:
  TerminalOutput() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(grantpt(master_), 0);
    EXPECT_EQ(unlockpt(master_), 0);
    slave_ = open(ptsname(master_), O_RDWR | O_NOCTTY);
    std::fflush(stdout);
    before_ = dup(STDOUT_FILENO);
    dup2(slave_, STDOUT_FILENO);
  }
  ~TerminalOutput() { close(master_); }
  /// Gives stdout back. Returns what was printed.
  std::string end() {
    std::fflush(stdout);
    dup2(before_, STDOUT_FILENO);
    close(before_);
    char bytes[4'096];
    const auto got = read(master_, bytes, sizeof bytes);
    close(slave_);
    return {bytes, got < 0 ? 0 : static_cast<std::size_t>(got)};
  }

 private:
  int master_, slave_ = -1, before_ = -1;
};

TEST_F(Publish, PrintsNoCommandsToATerminal) {
  std::ofstream("evil.md") << "a\xc2\x9b" "2Jb\xe2\x80\xae";
  TerminalOutput terminal;
  std::vector<std::string> words{"memseal", "publish", "upload", "evil.md",
                                 "--user",  "ada",     "--dry-run"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto code = run_cli(static_cast<int>(words.size()), argv.data());
  const auto printed = terminal.end();
  EXPECT_EQ(code, exit_ok);
  EXPECT_THAT(printed, testing::HasSubstr("a\\u009b2Jb\\u202e"));
  const auto piped = publish({"upload", "evil.md", "--dry-run"});
  EXPECT_THAT(piped.out, testing::HasSubstr("a\xc2\x9b" "2Jb\xe2\x80\xae"));
}

TEST_F(Publish, NamesTheDocumentByItsPathFromHere) {
  fs::create_directory("notes");
  fs::current_path("notes");
  const auto ran = publish({"upload", "../gym.md", "--dry-run"});
  EXPECT_EQ(json::parse(ran.out).at("data").at("doc_id").as_string(),
            (fs::canonical(folder) / "gym.md").string());
}

}  // namespace
}  // namespace memseal::app
