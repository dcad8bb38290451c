// What `memseal dev` tells, and what it refuses before it makes a database.
#include "app/cli/dev_announcement.hpp"
#include "app/cli/dev_env_file.hpp"
#include "app/cli/dev_folder.hpp"
#include "app/cli/dev_settings.hpp"
#include "app/cli/port_forward.hpp"
#include "app/service/exit_code.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace memseal::app {
namespace {

using asio::ip::tcp;
using test::run_program;

const DevView view{.program = "/opt/my tools/memseal",
                   .url = "http://127.0.0.1:7400",
                   .listen = "127.0.0.1:7400",
                   .admin_listen = "127.0.0.1:7401",
                   .admin_token = "0a1b.secret",
                   .brokers = "127.0.0.1:9092",
                   .upload_topic = "memory.upload.v1",
                   .chat_topic = "team.chat",
                   .status_topic = "memory.status.v1",
                   .user = "al<i>ce",
                   .token = "eyJ.secret",
                   .expires_s = 1'800'000'000};

TEST(DevAnnouncement, CanBePastedIntoAShell) {
  const auto text = announcement(view);
  EXPECT_THAT(text, testing::HasSubstr("export MEMSEAL__KAFKA__BROKERS=127.0.0.1:9092\n"
                                       "export MEMSEAL__HTTP__LISTEN=127.0.0.1:7400\n"
                                       "export MEMSEAL__KAFKA__CHAT_TOPIC=team.chat\n"
                                       "export MEMSEAL__HTTP__ADMIN_LISTEN=127.0.0.1:7401\n"
                                       "export MEMSEAL__HTTP__ADMIN_TOKEN=0a1b.secret\n"
                                       "export MEMSEAL_TOKEN=eyJ.secret\n"));
  EXPECT_THAT(text, testing::HasSubstr("\n'/opt/my tools/memseal' publish upload --user "
                                       "'al<i>ce' README.md\n'/opt/my tools/memseal' query "));
  auto with_file = view;
  with_file.env_file = "/tmp/dev.env";
  EXPECT_THAT(announcement(with_file), testing::HasSubstr("\n. /tmp/dev.env\n"));
}

TEST(DevAnnouncement, QuotesWordsForAShell) {
  EXPECT_EQ(shell_word("a/b-c.d"), "a/b-c.d");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(DevAnnouncement, IsOneLineOfJsonForScripts) {
  const auto line = announcement_json(view);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto value = boost::json::parse(line);
  EXPECT_EQ(value.at("url").as_string(), view.url);
  EXPECT_EQ(value.at("env").at("MEMSEAL__KAFKA__BROKERS").as_string(), view.brokers);
  EXPECT_EQ(value.at("env").at("MEMSEAL_TOKEN").as_string(), view.token);
  EXPECT_EQ(value.at("topics").at("chat"), "team.chat");
}

TEST(DevAnnouncement, TheStartPageHoldsNoSecretAndNoMarkupOfOthers) {
  const auto page = start_page(view);
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("secret")));
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("<i>")));
  EXPECT_THAT(page, testing::HasSubstr("al&lt;i&gt;ce"));
  EXPECT_THAT(page, testing::HasSubstr("127.0.0.1:9092"));
  auto with_file = view;
  with_file.env_file = "/home/ada/dev.env";
  for (const auto& each : {page, start_page(with_file)})
    for (const auto* path : {"/opt/my tools", "/home/ada"})
      EXPECT_THAT(each, testing::Not(testing::HasSubstr(path)));
  EXPECT_THAT(start_page(with_file), testing::HasSubstr("\n. ./dev.env\n"));
}

/// A folder that is removed at the end.
class EnvFileTest : public testing::Test {
 protected:
  std::string content() const {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  const test::TempDirectory directory;
  const std::filesystem::path folder = directory.path();
  const std::string path = (folder / "dev.env").string();
};

TEST_F(EnvFileTest, IsForItsOwnerAndGoesWithTheService) {
  {
    auto file = EnvFile::claim(path).value();
    ASSERT_TRUE(file.write("export A=1\n"));
    EXPECT_EQ(content(), std::string(env_file_head) + "export A=1\n");
    EXPECT_EQ(std::filesystem::status(path).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(files(), 1u) << "no draft is left";
    const auto other = EnvFile::claim(path);
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, testing::StartsWith("another `memseal dev` uses "));
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(EnvFileTest, WhatItDidNotWriteStays) {
  std::ofstream(path) << "DATABASE_URL=mine\n";
  const auto refused = EnvFile::claim(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, path + " holds something that `memseal dev` did not write: "
                                            "remove it, or name another --env-file");
  std::filesystem::remove(path);
  {
    auto file = EnvFile::claim(path).value();
    ASSERT_TRUE(file.write("export A=1\n"));
    std::filesystem::remove(path);
    std::ofstream(path) << "another's";
  }
  EXPECT_EQ(content(), "another's");
}

TEST_F(EnvFileTest, ALinkIsNotFollowed) {
  std::ofstream(folder / "target") << "mine";
  std::filesystem::create_symlink(folder / "target", path);
  EXPECT_FALSE(EnvFile::claim(path));
  std::filesystem::remove(path);
  auto file = EnvFile::claim(path).value();
  // The draft of a fixed name could be made by somebody else first.
  std::filesystem::create_symlink(folder / "target", path + ".new");
  ASSERT_TRUE(file.write("export A=1\n"));
  std::ifstream target(folder / "target");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(target), {}), "mine");
}

TEST_F(EnvFileTest, OfAServiceThatWasKilledIsReplaced) {
  std::ofstream(path) << env_file_head << "export OLD=1\n";
  auto file = EnvFile::claim(path).value();
  EXPECT_TRUE(file.remove_earlier());
  EXPECT_EQ(files(), 0u);
  EXPECT_TRUE(file.write("export A=1\n"));
}

TEST_F(EnvFileTest, LeavesNoDraftWhereItCannotBeMade) {
  auto file = EnvFile::claim(path).value();
  std::filesystem::create_directory(path);
  EXPECT_FALSE(file.write("export A=1\n"));
  EXPECT_EQ(files(), 1u) << "the folder alone";
}

class TakenPort {
 public:
  TakenPort() : acceptor_(loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}
  std::uint16_t number() const { return acceptor_.local_endpoint().port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(number()); }

 private:
  asio::io_context loop_{1};
  tcp::acceptor acceptor_;
};

TEST(Dev, SaysAtOnceThatAPortIsInUse) {
  const TakenPort taken;
  for (const std::string key : {"http.listen", "http.admin_listen"}) {
    const auto other = key == "http.listen" ? "http.admin_listen" : "http.listen";
    const auto ran = run_program({"dev", "--set", key + "=" + taken.address(), "--set",
                                  std::string(other) + "=127.0.0.1:0"});
    EXPECT_EQ(ran.code, exit_usage);
    EXPECT_EQ(ran.err, "memseal: " + taken.address() +
                           " is in use, perhaps by another `memseal dev`: stop that, or choose "
                           "another port with --set " + key + "=127.0.0.1:0\n");
  }
  const auto ran = run_program({"dev", "--set", "http.listen=127.0.0.1:0", "--set",
                                "http.admin_listen=127.0.0.1:0", "--kafka-port",
                                std::to_string(taken.number())});
  EXPECT_EQ(ran.code, exit_usage);
  EXPECT_THAT(ran.err, testing::HasSubstr("--kafka-port"));
}

TEST_F(EnvFileTest, IsNotTouchedBeforeTheServiceIsMade) {
  const TakenPort taken;
  const std::vector<std::string> words{"dev", "--env-file", path, "--set",
                                       "http.listen=" + taken.address()};
  std::ofstream(path) << "DATABASE_URL=mine\n";
  auto ran = run_program(words);
  EXPECT_EQ(ran.code, exit_usage);
  EXPECT_THAT(ran.err, testing::HasSubstr("did not write"));
  EXPECT_EQ(content(), "DATABASE_URL=mine\n");
  std::ofstream(path) << env_file_head;
  ran = run_program(words);
  EXPECT_THAT(ran.err, testing::HasSubstr("is in use"));
  EXPECT_EQ(content(), env_file_head) << "perhaps the service that has the port wrote it";
}

TEST(Dev, SaysAtOnceThatItsFolderIsInUse) {
  const test::TempDirectory directory;
  const std::string folder = directory.path().string();
  {
    const auto held = DevFolder::make(folder);
    ASSERT_TRUE(held);
    const auto ran = run_program({"dev", "--dir", folder, "--set", "http.listen=127.0.0.1:0",
                                  "--set", "http.admin_listen=127.0.0.1:0"});
    EXPECT_EQ(ran.code, exit_usage);
    EXPECT_EQ(ran.err, "memseal: another `memseal dev` uses " + folder +
                           ": stop it, or give another --dir\n");
  }
  EXPECT_TRUE(DevFolder::make(folder)) << "free again";
}

TEST(Dev, LimitsOnlyWhereALimitIsAskedFor) {
  auto loaded = load_config({});
  lift_rate_limit(loaded);
  EXPECT_EQ(loaded.values.ratelimit.query_requests, policy::BucketRules::tokens_max);
  EXPECT_EQ(loaded.values.ratelimit.write_tokens, policy::BucketRules::tokens_max);
  for (const auto* key : {"ratelimit.query_requests", "ratelimit.write_tokens",
                          "ratelimit.window_s"}) {
    ConfigSources sources;
    sources.flags.emplace_back(key, "60");
    loaded = load_config(sources);
    lift_rate_limit(loaded);
    EXPECT_NE(loaded.values.ratelimit.query_requests, policy::BucketRules::tokens_max) << key;
    EXPECT_NE(loaded.values.ratelimit.metrics_requests, policy::BucketRules::tokens_max) << key;
    EXPECT_NE(loaded.values.ratelimit.window_s, 1) << key;
  }
}

TEST(Dev, ATemporaryFolderGoesWithItsObject) {
  std::filesystem::path path;
  {
    const auto folder = DevFolder::make("");
    ASSERT_TRUE(folder);
    path = folder->path();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

asio::awaitable<void> echo_once(tcp::acceptor& acceptor) {
  auto peer = co_await acceptor.async_accept(asio::use_awaitable);
  char bytes[5];
  co_await asio::async_read(peer, asio::buffer(bytes), asio::use_awaitable);
  co_await asio::async_write(peer, asio::buffer(bytes), asio::use_awaitable);
}

asio::awaitable<void> ask_through(std::uint16_t port, runtime::TaskGroup& tasks) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const tcp::endpoint place(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(place, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer("hello", 5), asio::use_awaitable);
  char bytes[5];
  co_await asio::async_read(socket, asio::buffer(bytes), asio::use_awaitable);
  EXPECT_EQ(std::string(bytes, 5), "hello");
  boost::system::error_code ended;
  co_await socket.async_read_some(asio::buffer(bytes),
                                  asio::redirect_error(asio::use_awaitable, ended));
  EXPECT_EQ(ended, asio::error::eof) << "the end is passed on too";
  tasks.cancel();
}

asio::awaitable<void> forward_and_ask(PortForward& door, std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor broker(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  runtime::TaskGroup tasks(executor);
  tasks.spawn(echo_once(broker));
  tasks.spawn(door.run(broker.local_endpoint().port()));
  tasks.spawn(ask_through(port, tasks));
  co_await tasks.join();
}

TEST(PortForward, PassesBytesAndTheEndOn) {
  std::uint16_t port = 0;
  {
    const TakenPort free_soon;
    port = free_soon.number();
    EXPECT_FALSE(PortForward::bind(port)) << "in use";
  }
  auto door = PortForward::bind(port);
  ASSERT_TRUE(door);
  test::run(forward_and_ask(*door, port));
}

}  // namespace
}  // namespace memseal::app
