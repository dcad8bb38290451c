#pragma once
#include "cases/ingest/internal/prepare.hpp"
#include "cases/ingest/worker.hpp"
#include "pure/policy/backoff.hpp"
#include "runtime/observe.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace memseal::ingest {

/// One record on its way through the stages. Shared pointers: a stage on the pool owns what it
/// reads, for its wait may be cut short.
struct Job {
  const ports::Record* record = nullptr;
  std::shared_ptr<const Prepared> prepared;
  std::shared_ptr<const std::vector<ports::Embedding>> embeddings;
  std::optional<Outcome> outcome;         ///< set once, when the record has taken effect
  Errc error = Errc::internal;            ///< why, when dead-lettered
  std::chrono::steady_clock::time_point taken;
};

using Jobs = std::vector<Job*>;

/// Jobs of one tenant, in their order.
struct Group {
  crypto::Tenant owner;
  Jobs jobs;
  std::exception_ptr failure = {};
};

class Worker::Impl {
 public:
  Impl(WorkerDeps deps, Options options);
  asio::awaitable<void> run();

 private:
  using Clock = std::chrono::steady_clock;
  using BatchPtr = std::shared_ptr<const ports::Batch>;

  // worker.cpp: the loop.
  asio::awaitable<void> process_batch(BatchPtr batch);
  asio::awaitable<void> process(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> retry_one_by_one(BatchPtr batch, Job& job);
  void settled(Job& job, Outcome outcome);

  // stages.cpp: what happens to a batch.
  asio::awaitable<void> prepare_all(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> embed_all(Jobs jobs);
  asio::awaitable<void> embed_once(std::vector<ports::EmbedInput> inputs,
                                   std::vector<ports::Embedding>& out);
  asio::awaitable<void> store_all(Jobs jobs);
  asio::awaitable<void> store_worker(std::vector<Group>& groups, std::size_t& next);
  asio::awaitable<void> store_group(Group& group);
  asio::awaitable<void> seal_once(const Group& group, std::vector<ports::EventWrite>& writes);
  asio::awaitable<void> store_once(const Group& group,
                                   const std::vector<ports::EventWrite>& writes,
                                   std::vector<ports::Stored>& answers);

  // dead_letters.cpp: dead letters and status.
  asio::awaitable<void> dead_letter(Job& job, Error why, std::string_view stage, int attempts);
  asio::awaitable<void> fetch_key(crypto::Tenant owner, ports::TenantKeyPtr& key);
  asio::awaitable<bool> seal_letter(const Job& job, ports::OutRecord& letter);
  asio::awaitable<void> publish_until_confirmed(ports::OutRecord letter);
  asio::awaitable<void> publish_once(ports::OutRecord record);
  asio::awaitable<void> record_failure(const Job& job);
  asio::awaitable<void> record_failure_once(const Job& job);
  asio::awaitable<void> publish_statuses(const std::vector<Job>& jobs);
  asio::awaitable<void> publish_status(ports::OutRecord status);

  // Waiting for dependencies.
  template <class Step>
  asio::awaitable<void> retry_while_unavailable(Stage stage, Step step);
  asio::awaitable<void> pause_after(Stage stage, const Error& why, policy::Backoff& backoff);
  void recovered(Stage stage, const policy::Backoff& backoff);
  asio::awaitable<void> throw_if_cancelled();
  runtime::RequestContext context(std::chrono::milliseconds budget) const;
  PrepareDeps prepare_deps() const;

  WorkerDeps deps_;
  std::shared_ptr<const Options> options_;
  std::minstd_rand random_;
  std::uint64_t batches_ = 0;
  /// Since when each stage meets a fault of the set-up. Common to all steps of the stage, because a
  /// batch of many tenants meets one fault many times, and is to wait for it once.
  std::map<Stage, Clock::time_point> faulty_since_;
};

/// Repeats `step()` while it throws an Outage, and while it throws a fault of the set-up, but that
/// for Options::setup_patience only, because an operator may be at work: rights are restored, a
/// migration runs. `step` makes an awaitable<void> each time.
template <class Step>
asio::awaitable<void> Worker::Impl::retry_while_unavailable(Stage stage, Step step) {
  policy::Backoff backoff(options_->backoff_first, options_->backoff_max);
  const auto begun = Clock::now();
  for (;;) {
    std::optional<Error> unavailable;
    const auto start = Clock::now();
    try {
      co_await step();
    } catch (const Outage& outage) {
      unavailable = outage.error();
    } catch (const Refused& refused) {
      if (!errc_row(refused.error().code).setup()) throw;
      const auto since = std::min(begun, faulty_since_.try_emplace(stage, start).first->second);
      if (Clock::now() - since >= options_->setup_patience) throw;
      unavailable = refused.error();
    }
    if (!unavailable) {
      faulty_since_.erase(stage);
      runtime::observe_since(deps_.metrics.stage(stage), start);
      recovered(stage, backoff);
      co_return;
    }
    co_await pause_after(stage, *unavailable, backoff);
  }
}

}  // namespace memseal::ingest
