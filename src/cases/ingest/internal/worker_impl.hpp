#pragma once
#include "cases/ingest/internal/job.hpp"
#include "cases/ingest/internal/letter_queue.hpp"
#include "cases/ingest/internal/steps.hpp"
#include "cases/ingest/internal/suspects.hpp"
#include "cases/ingest/worker.hpp"
#include "pure/policy/brake.hpp"
#include "pure/policy/fair_queue.hpp"
#include "pure/policy/pace.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace memseal::ingest {

/// Jobs of one tenant, in their order.
struct Group {
  crypto::Tenant owner;
  Jobs jobs;
  std::size_t bytes = 0;  ///< that storing them takes, about
  std::exception_ptr failure = {};
};

/// The jobs of each tenant that no stage has refused or settled, tenants in the order of their
/// first job.
std::vector<Group> groups_of(const Jobs& jobs);
/// Those of jobs [first, first + count) that no stage has refused or settled.
Jobs going_on(const Jobs& jobs, std::size_t first, std::size_t count);
/// What the database's answer means; nothing for ports::Stored::current.
std::optional<Outcome> outcome_of(ports::Stored answer);

/// Ranks of the queue for the embedder: chats, documents sent over HTTP, uploads, backfill.
inline constexpr std::size_t ranks = 4, rank_of_backfill = ranks - 1;

/// Chunks of one call of the embedder.
struct Slice {
  std::vector<Piece> pieces;
  std::optional<Error> blamed = {};  ///< why these chunks are to blame
  bool ended = false;
};

/// The status event of a job that has taken effect, until a broker confirms it.
struct Telling {
  ports::OutRecord status;
  ports::Record place;  ///< of the record, without its content
  std::uint64_t generation = 0;
  int tries = 0;
  bool left = false;  ///< its partition left before it was published
};

/// Coroutines that hand jobs to each other: one takes and reads records, one looks at what is
/// stored of them, one embeds, some try what the embedder failed for, some store, some write dead
/// letters. A job belongs to one of them or waits in one queue (Job::place).
/// Order: the events of a document stand in one queue for the embedder, are embedded in their
/// order, and are stored in that order, because a tenant has one transaction at a time. An event
/// that was refused, or that seemed superseded and was not, has lost its place in that order. Its
/// revision still decides; a chat of which no turn is new waits for nobody, because it changes
/// nothing; without a revision, a later upload that was stored meanwhile supersedes it.
/// Where neither decides (overwrites() in storing.cpp), the later event waits for the earlier one.
/// Memory: the source's window bounds the jobs and what they hold; `sealing_bytes_` bounds the
/// copies on their way to the database.
/// Status events: no job waits for them. The offset of a record waits, so that each is published at
/// least once.
class Worker::Impl {
 public:
  Impl(WorkerDeps deps, Options options);
  asio::awaitable<void> run();

 private:
  using Clock = std::chrono::steady_clock;

  // worker.cpp: the coroutines, and the end of a job.
  asio::awaitable<void> run_all();
  bool over() const noexcept { return ended_ && jobs_.empty(); }
  void settled(Job& job, Outcome outcome);
  void supersede_earlier(Job& job);
  void finish(const Jobs& jobs);
  void give_back(const Jobs& jobs, void (ports::EventSource::*how)(const ports::Batch&));
  void drop_departed();
  void drop(const Jobs& jobs);
  void unqueue(const Jobs& jobs);
  void leave(Job& job);
  bool keeps(const Job& job) const { return deps_.source.keeps(*job.record, job.generation); }

  // intake.cpp: from the source to the queues.
  asio::awaitable<void> take_records();
  Jobs adopt(ports::Batch batch);
  // opening.cpp: what memseal sealed on its way through Kafka.
  asio::awaitable<void> open_all(Jobs jobs);
  asio::awaitable<void> open_once(Jobs jobs);
  asio::awaitable<void> open_sealed(Job& job);
  asio::awaitable<void> prepare_all(Jobs jobs);
  asio::awaitable<void> prepare_once(Jobs jobs);
  asio::awaitable<void> prepare_part(Jobs jobs);
  asio::awaitable<void> admit_prepared();
  void admit(const Jobs& jobs);
  void admit(Job& job);
  bool has_budget(const Job& job);
  std::size_t join_document(Job& job);

  // look.cpp: what needs no embedding.
  asio::awaitable<void> look_all(Jobs jobs);
  asio::awaitable<void> look_at(Group& group);
  asio::awaitable<void> look_once(crypto::Tenant owner, Jobs jobs);
  // recall.cpp: what is stored of the conversations of chats.
  asio::awaitable<void> recall_turns(const Group& group);
  asio::awaitable<void> recall_once(crypto::Tenant owner, Jobs jobs);
  asio::awaitable<std::vector<SaidBefore>> open_latest(
      crypto::Tenant owner, std::vector<crypto::SealedCandidate> rows);
  const Job* in_work_before(const Job& job) const;
  // keeping.cpp: the vectors of chunks that an edit left as they were.
  asio::awaitable<void> keep_vectors(crypto::Tenant owner, Jobs jobs);
  asio::awaitable<void> keep_once(crypto::Tenant owner, Jobs jobs);
  void keep_place(Job& job);
  bool deletes_before(const Job& job) const;
  template <class Work>
  asio::awaitable<void> for_each_group(std::vector<Group>& groups, Work work);
  template <class Work>
  asio::awaitable<void> group_worker(std::vector<Group>& groups, std::size_t& next, Work& work);

  // fetching.cpp: the texts of files that uploads refer to.
  void await_text(Job& job);
  bool has_room(const Job& job, std::uint64_t oldest_holder) const;
  Job* next_to_fetch();
  asio::awaitable<void> fetch_texts();
  asio::awaitable<void> look_again(Job& job);
  asio::awaitable<void> fetch(Job& job);
  void after_fetching(Job& job);
  asio::awaitable<void> fetch_once(Job& job);
  void hold_text(Job& job, std::size_t bytes);
  /// Before a job waits for an unknown time; its text is read again if it goes on.
  void forget_text(Job& job);

  // embedding.cpp
  void enqueue(Job& job);
  asio::awaitable<void> embed_queued();
  asio::awaitable<void> embed_with_patience(Slice& slice);
  asio::awaitable<void> embed_slice(Slice& slice, runtime::TaskGroup& call);
  asio::awaitable<void> watch_slice(Slice& slice, runtime::TaskGroup& call);
  void suspect(std::vector<Piece> pieces, const Error& why, bool hung);
  void hold(const crypto::Tenant& owner);
  void release(const crypto::Tenant& owner);
  asio::awaitable<void> embed_suspects(bool only_fresh);
  asio::awaitable<std::optional<Error>> try_soon(const std::vector<Piece>& pieces);
  asio::awaitable<void> isolate(const Suspects& suspects);
  asio::awaitable<void> embed_once(std::span<const Piece> pieces, std::chrono::milliseconds limit);
  void after_embedding(const std::vector<Piece>& pieces);
  void after_embedding(Job& job);

  // storing.cpp
  void make_ready(Job& job);
  bool waits_for_earlier(const Job& job) const;
  asio::awaitable<void> store_ready();
  asio::awaitable<void> wait_to_write();
  std::optional<Group> next_group();
  Group group_of(const crypto::Tenant& owner) const;
  void start(Group& group);
  void conclude(const Group& group);
  asio::awaitable<void> seal_group(const Group& group);
  asio::awaitable<void> seal_once(crypto::Tenant owner, Jobs jobs);
  asio::awaitable<void> store_group(const Group& group);
  asio::awaitable<void> store_once(crypto::Tenant owner, Jobs jobs);

  // giving_up.cpp: which refused events become dead letters, and when.
  void refuse(Job& job);
  asio::awaitable<void> dead_letter_unreadable();
  asio::awaitable<void> dead_letter_given_up();
  asio::awaitable<void> dead_letter_next(LetterQueue& from, Job& job);
  asio::awaitable<void> watch_brake();
  asio::awaitable<void> wait_for_brake(Clock::duration hold);
  asio::awaitable<void> try_again();
  void note_given_up();

  // dead_letters.cpp: dead letters and status.
  enum class LetterOwner { tenant, stranger, erased };
  asio::awaitable<void> dead_letter(Job& job, Refusal refusal);
  asio::awaitable<void> fetch_key(crypto::Tenant owner, bool makes_tenant,
                                  ports::TenantKeyPtr& key);
  asio::awaitable<LetterOwner> seal_letter(const Job& job, const Refusal& refusal,
                                           ports::OutRecord& letter);
  asio::awaitable<void> publish_until_confirmed(ports::OutRecord letter);
  asio::awaitable<bool> publish_records(std::vector<ports::OutRecord> records);
  asio::awaitable<void> publish_letter(ports::OutRecord letter);
  asio::awaitable<void> record_failure(const Job& job);
  asio::awaitable<void> record_failure_once(const Job& job);

  // telling.cpp: the status events of settled jobs.
  void tell(const Jobs& jobs);
  ports::OutRecord status_of(const Job& job) const;
  asio::awaitable<void> tell_statuses();
  asio::awaitable<void> tell(Telling& one);
  asio::awaitable<void> publish_status(Telling& one);

  runtime::RequestContext context(std::chrono::milliseconds budget) const;
  PrepareDeps prepare_deps() const;

  /// Jobs of one tenant that wait for the database.
  struct Ready {
    std::deque<Job*> jobs = {};
    bool storing = false;
    bool in_turns = false;        // once in store_turns_
    std::size_t passed_over = 0;  // times that another had the turn, because this did not fit
  };
  using ReadyJobs = std::map<crypto::Tenant, Ready>;
  void settle_turn(ReadyJobs::iterator at);
  /// A document of which jobs are in work. All of them have one rank, so that they keep their
  /// order.
  struct InWork {
    std::size_t rank = 0;
    Jobs jobs = {};  // in the order of their arrival
  };
  using DocumentKey = std::pair<crypto::Tenant, std::string>;
  static DocumentKey document_of(const Job& job) {
    return {*job.prepared->tenant, job.prepared->document->doc_id.value()};
  }

  WorkerDeps deps_;
  std::shared_ptr<const Options> options_;
  Steps steps_;
  policy::Brake brake_;
  policy::Pace pace_;  // of one embedder call, in tokens
  std::uint64_t batches_ = 0, jobs_taken_ = 0;

  std::list<Job> jobs_;  // all that are not done
  std::deque<Jobs> prepared_;  // at most one batch, which is to be looked at
  bool all_prepared_ = false;  // the source has no more
  bool ended_ = false;         // all it had is admitted
  std::map<DocumentKey, InWork> documents_;
  std::deque<Job*> awaiting_;  // for the texts of their files
  std::map<crypto::Tenant, std::size_t> text_bytes_;       // of such texts, while they are held
  std::size_t all_text_bytes_ = 0;                         // the sum of these
  std::map<crypto::Tenant, std::uint64_t> fetch_turns_;    // when each user had the last turn
  std::uint64_t fetches_ = 0;
  std::map<crypto::Tenant, policy::TokenBucket> budgets_;  // of tokens to embed
  policy::FairQueue<crypto::Tenant, Piece, ranks> queue_;
  SuspectLine suspects_;
  std::map<crypto::Tenant, Jobs> held_;  // queued, until what hung of the tenant was tried again
  ReadyJobs ready_;
  std::deque<crypto::Tenant> store_turns_;  // tenants with jobs in ready_ and none being stored
  std::size_t sealing_bytes_ = 0;           // of the groups being stored
  std::size_t writing_ = 0;                 // groups that use the database now
  LetterQueue unreadable_, given_up_;
  bool braked_ = false;  // the brake engaged, and what is given up waits until it releases
  std::deque<Telling> telling_;  // status events that no coroutine publishes yet
  std::size_t tellers_ = 0;      // coroutines that publish them
  std::size_t untold_ = 0;       // status events that no broker has confirmed
  std::optional<runtime::Condition> changed_;  // a queue got a job, or a job is done
  runtime::TaskGroup* tasks_ = nullptr;        // while run() runs
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
