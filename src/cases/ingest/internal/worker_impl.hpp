#pragma once
#include "cases/ingest/internal/job.hpp"
#include "cases/ingest/internal/steps.hpp"
#include "cases/ingest/worker.hpp"
#include "pure/policy/brake.hpp"

#include <span>
#include <vector>

namespace memseal::ingest {

/// Jobs of one tenant, in their order.
struct Group {
  crypto::Tenant owner;
  Jobs jobs;
  std::exception_ptr failure = {};
};

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

  // stages.cpp: what happens to a batch.
  asio::awaitable<void> prepare_all(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> prepare_once(BatchPtr batch, Jobs jobs);
  asio::awaitable<void> embed_all(Jobs jobs);
  asio::awaitable<void> embed_once(std::span<const Piece> pieces);
  asio::awaitable<void> seal_and_store_all(Jobs jobs);
  asio::awaitable<void> group_worker(std::vector<Group>& groups, std::size_t& next);
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

}  // namespace memseal::ingest
