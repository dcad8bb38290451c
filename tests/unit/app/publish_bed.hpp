#pragma once
// `memseal publish` against the embedded broker, with a few lines in the place of ingest.
#include "adapters/kafka/embedded_broker.hpp"
#include "adapters/kafka/sink.hpp"
#include "adapters/kafka/tail.hpp"
#include "app/service/exit_code.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"
#include "support/run_program.hpp"
#include "support/temp_directory.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace memseal::app {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;
using test::run_program;

inline asio::awaitable<void> publish_one(kafka::KafkaSink& sink, ports::OutRecord record) {
  const runtime::RequestContext context{.id = "status"};
  co_await sink.publish(context, std::move(record));
  sink.request_stop();
}

inline asio::awaitable<void> publish_beside(kafka::KafkaSink& sink, ports::OutRecord record) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(sink.run());
  tasks.spawn(publish_one(sink, std::move(record)));
  co_await tasks.join();
}

/// Answers each event of a topic with a status event.
class Ingest {
 public:
  using Answer = std::function<json::object(const json::value& event)>;

  Ingest(const kafka::EmbeddedBroker& broker, const std::string& topic, Answer answer)
      : brokers_(broker.bootstrap()),
        tail_(kafka::Tail::open({.brokers = brokers_}, topic, 5s).value()),
        thread_([this, answer = std::move(answer)] { work(answer); }) {}
  ~Ingest() {
    stop_ = true;
    thread_.join();
  }

 private:
  void work(const Answer& answer) {
    while (!stop_)
      if (const auto record = tail_->next(50ms)) tell(answer, json::parse(*record));
  }
  void tell(const Answer& answer, const json::value& event) {
    auto data = answer(event);
    if (data.empty()) return;
    data["event_id"] = event.at("id");
    data["event_source"] = event.at("source");
    ports::OutRecord record{.channel = ports::Channel::status,
                            .key = "k",
                            .value = json::serialize(json::object{{"data", data}}),
                            .headers = {}};
    asio::io_context loop(1);
    runtime::Metrics metrics;
    auto sink = kafka::KafkaSink::open(loop.get_executor(),
                                       {.client = {.brokers = brokers_},
                                        .topics = {.status = "memory.status.v1"}},
                                       metrics);
    test::run_to_end(loop, publish_beside(*sink.value(), std::move(record)));
  }

  const std::string brokers_;
  const std::unique_ptr<kafka::Tail> tail_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

inline json::object stored(const json::value&) { return {{"outcome", "ingested"}, {"chunks", 3}}; }

class Publish : public testing::Test {
 protected:
  Publish() {
    for (const auto* topic : {"memory.upload.v1", "memory.chat.v1", "memory.status.v1"})
      broker.create_topic(topic, 4);
    fs::current_path(folder);
    std::ofstream("gym.md") << "I train on Mondays.";
    std::ofstream("tea.md") << "I like tea.";
  }
  ~Publish() override {
    fs::current_path(before);
  }
  test::Ran publish(std::vector<std::string> words) {
    return publish(std::move(words), broker.bootstrap());
  }
  test::Ran publish(std::vector<std::string> words, const std::string& brokers) {
    words.insert(words.begin(), "publish");
    words.insert(words.end(), {"--user", "ada", "--set", "kafka.brokers=" + brokers});
    return run_program(words);
  }

  kafka::EmbeddedBroker broker;
  const fs::path before = fs::current_path();
  const test::TempDirectory directory;
  const fs::path folder = directory.path();
};

}  // namespace memseal::app
