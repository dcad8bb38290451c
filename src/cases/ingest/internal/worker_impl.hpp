#pragma once
#include "cases/ingest/internal/job.hpp"
#include "cases/ingest/internal/steps.hpp"
#include "cases/ingest/worker.hpp"
#include "pure/policy/brake.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace memseal::ingest {

/// Jobs of one tenant, in their order.
struct Group {
  crypto::Tenant owner;
  Jobs jobs;
  std::exception_ptr failure = {};
};

/// The jobs of each tenant that no stage has refused or settled, tenants in the order of their
/// first job.
std::vector<Group> groups_of(const Jobs& jobs);
/// What the database's answer means; nothing for ports::Stored::current.
std::optional<Outcome> outcome_of(ports::Stored answer);

/// One chunk of a batch, whose vector goes to its job.
struct Piece {
  Job* job;
  std::size_t index;

  const text::Chunk& chunk() const { return job->prepared->document->chunks[index]; }
  ports::Embedding& embedding() const { return (*job->embeddings)[index]; }
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
  asio::awaitable<void> dead_letter_refused(BatchPtr batch, Jobs jobs);
  void note_given_up();
  asio::awaitable<void> wait_for_brake();
  void settled(Job& job, Outcome outcome);

  // look.cpp: what needs no embedding. stages.cpp: what happens to a batch.
  asio::awaitable<void> prepare_all(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> prepare_once(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> look_all(Jobs jobs);
  asio::awaitable<void> look_at(Group& group);
  asio::awaitable<void> look_once(crypto::Tenant owner, Jobs jobs);
  asio::awaitable<void> embed_all(Jobs jobs);
  asio::awaitable<void> embed_once(std::span<const Piece> pieces);
  asio::awaitable<void> seal_and_store_all(Jobs jobs);
  asio::awaitable<void> seal_and_store(Group& group);
  template <class Work>
  asio::awaitable<void> for_each_group(std::vector<Group>& groups, Work work);
  template <class Work>
  asio::awaitable<void> group_worker(std::vector<Group>& groups, std::size_t& next, Work& work);
  asio::awaitable<void> seal_group(const Group& group);
  asio::awaitable<void> seal_once(crypto::Tenant owner, Jobs jobs);
  asio::awaitable<void> store_group(const Group& group);
  asio::awaitable<void> store_once(crypto::Tenant owner, Jobs jobs);

  // dead_letters.cpp: dead letters and status.
  asio::awaitable<void> dead_letter(Job& job, Refusal refusal);
  asio::awaitable<void> fetch_key(crypto::Tenant owner, ports::TenantKeyPtr& key);
  asio::awaitable<bool> seal_letter(const Job& job, ports::OutRecord& letter);
  asio::awaitable<void> publish_until_confirmed(ports::OutRecord letter);
  asio::awaitable<void> publish_letter(ports::OutRecord letter);
  asio::awaitable<void> record_failure(const Job& job);
  asio::awaitable<void> record_failure_once(const Job& job);
  asio::awaitable<void> publish_statuses(const std::vector<Job>& jobs);
  asio::awaitable<void> publish_status(ports::OutRecord status);

  runtime::RequestContext context(std::chrono::milliseconds budget) const;
  PrepareDeps prepare_deps() const;

  WorkerDeps deps_;
  std::shared_ptr<const Options> options_;
  Steps steps_;
  policy::Brake brake_;
  std::uint64_t batches_ = 0;
};

/// Runs `work(group)` for each group, some groups at a time. A failure of one stops no other; then
/// the first is thrown.
template <class Work>
asio::awaitable<void> Worker::Impl::for_each_group(std::vector<Group>& groups, Work work) {
  runtime::TaskGroup workers(co_await asio::this_coro::executor);
  std::size_t next = 0;
  const auto count = std::min(groups.size(), options_->tenants_parallel_max);
  for (std::size_t i = 0; i < count; ++i) workers.spawn(group_worker(groups, next, work));
  co_await workers.join();
  co_await throw_if_cancelled();
  for (const auto& group : groups)
    if (group.failure) std::rethrow_exception(group.failure);
}

template <class Work>
asio::awaitable<void> Worker::Impl::group_worker(std::vector<Group>& groups, std::size_t& next,
                                                 Work& work) {
  while (next < groups.size()) {
    auto& group = groups[next++];
    std::exception_ptr failure;
    try {
      co_await work(group);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await throw_if_cancelled();
    group.failure = failure;
  }
}

}  // namespace memseal::ingest
