#pragma once
// A worker with much in work: small slices, and a script that runs beside it.
#include "rig.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace memseal::ingest {

inline asio::awaitable<void> side_by_side(asio::awaitable<void> one, asio::awaitable<void> other) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(std::move(one));
  tasks.spawn(std::move(other));
  co_await tasks.join();
}

struct BusyRig : Rig {
  BusyRig() {
    options.rules.tokens = 8;
    options.embed_chunks_max = 4;
    options.pace = {.first = 32, .least = 32, .most = 32};
    store.after_write = [this](const Uuid& event) {
      embed_calls_before.emplace(event, embedder.faults.calls);
    };
  }

  static std::string long_text(int paragraphs) {
    std::string text;
    for (int i = 0; i < paragraphs; ++i) text += "hello world hello world hello world\n\n";
    return text;
  }
  ports::Record large(const std::string& user, const std::string& id, int paragraphs = 40) {
    return record(user, upload(user, id, long_text(paragraphs)));
  }
  ports::Record line(const std::string& user, const std::string& id,
                     const std::string& conversation = "talk") {
    auto made = record(user, chat(user, id, conversation), "memory.chat.v1");
    made.partition = 1;
    return made;
  }
  void push_large_of_alice(int count) {
    std::vector<ports::Record> records;
    for (int i = 0; i < count; ++i) records.push_back(large("alice", std::to_string(i)));
    push(std::move(records));
  }
  bool is_stored(const std::string& user, const std::string& id) const {
    const auto events = stored(user);
    return std::find(events.begin(), events.end(), id_of(user, id)) != events.end();
  }
  /// Of the embedder, before the rows of an event were written. A script that counts when it
  /// wakes counts more, the busier the machine is.
  int calls_before(const std::string& user, const std::string& id) const {
    return embed_calls_before.at(id_of(user, id));
  }
  template <class Condition>
  static asio::awaitable<void> wait_until(Condition condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i)
      co_await runtime::pause_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(condition());
  }
  void run_with(std::function<asio::awaitable<void>()> script) {
    source.stop_when_empty = false;
    Worker worker(deps(), options);
    test::run_to_end(loop, side_by_side(worker.run(), script()));
  }

  std::map<Uuid, int> embed_calls_before;
};

}  // namespace memseal::ingest
