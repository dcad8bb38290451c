// Reads the texts of stored files that uploads refer to. Texts are large, so few of them are in
// memory at one time; an upload waits for its text beside the line, and nobody waits for it.
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

#include <utility>

namespace memseal::ingest {

namespace {

Error no_files() {
  return {Errc::not_found, "this service keeps no files: files.directory is not set"};
}

}  // namespace

void Worker::Impl::await_text(Job& job) {
  job.place = Place::awaiting;
  awaiting_.push_back(&job);
  changed_->notify_all();
}

// The oldest one with a text has room always: others may hold theirs until it is stored. One user's
// texts leave room for those of others.
bool Worker::Impl::has_room(const Job& job, std::uint64_t oldest_holder) const {
  if (job.number < oldest_holder) return true;
  // A user who already holds one gets at most half, so that the next user finds room.
  const auto mine = text_bytes_.contains(*job.prepared->tenant);
  const auto most = mine ? options_->texts_bytes_max / 2 : options_->texts_bytes_max;
  return all_text_bytes_ + options_->text_bytes_max <= most;
}

// Users have turns, because one's files may be many and slow to read.
Job* Worker::Impl::next_to_fetch() {
  if (awaiting_.empty()) return nullptr;
  const auto is_holding = [](const Job& other) { return other.referenced_bytes > 0; };
  const auto holder = std::find_if(jobs_.begin(), jobs_.end(), is_holding);
  const auto oldest_holder = holder == jobs_.end() ? UINT64_MAX : holder->number;
  const auto turn_of = [this](const Job* job) {
    const auto had = fetch_turns_.find(*job->prepared->tenant);
    return had == fetch_turns_.end() ? 0 : had->second;
  };
  auto best = awaiting_.end();
  for (auto at = awaiting_.begin(); at != awaiting_.end(); ++at)
    if (has_room(**at, oldest_holder) && (best == awaiting_.end() || turn_of(*at) < turn_of(*best)))
      best = at;
  if (best == awaiting_.end()) return nullptr;
  auto* job = *best;
  awaiting_.erase(best);
  if (awaiting_.empty())
    fetch_turns_.clear();
  else
    fetch_turns_[*job->prepared->tenant] = ++fetches_;
  return job;
}

asio::awaitable<void> Worker::Impl::fetch_texts() {
  for (;;) {
    Job* job = nullptr;
    while (!(job = next_to_fetch()) && !over()) co_await changed_->wait();
    if (!job) co_return;
    job->place = Place::busy;
    if (!job->superseded_by) co_await fetch(*job);
    const Jobs one(1, job);
    const bool goes_on = job->goes_on() && !job->superseded_by && !job->seems_superseded;
    if (goes_on) co_await keep_vectors(*job->prepared->tenant, one);
    after_fetching(*job);
  }
}

asio::awaitable<void> Worker::Impl::fetch(Job& job) {
  // The most that it may have, before its size is known; what is not needed is given back below.
  hold_text(job, options_->text_bytes_max);
  const auto step = [&](std::size_t, std::size_t) { return fetch_once(job); };
  const auto give_up = [&](std::size_t, const Error& why) {
    job.refusal = Refusal{why, refused_by_processing, limits::event_attempts_max};
  };
  co_await steps_.over(Stage::fetch, 1, 1, step, give_up);
  const bool is_gone = job.refusal && job.refusal->why.code == Errc::not_found;
  if (is_gone) co_await look_again(job);
}

// Another process may have stored the event since this one looked, and its file may be gone because
// of that.
asio::awaitable<void> Worker::Impl::look_again(Job& job) {
  const auto step = [&](std::size_t, std::size_t) {
    return look_once(*job.prepared->tenant, Jobs(1, &job));
  };
  const auto stay_refused = [](std::size_t, const Error&) {};
  co_await steps_.over(Stage::look, 1, 1, step, stay_refused);
  if (job.outcome || job.seems_superseded) job.refusal.reset();
}

void Worker::Impl::after_fetching(Job& job) {
  if (job.refusal) hold_text(job, 0);
  if (!keeps(job)) return drop({&job});
  if (job.refusal) return refuse(job);
  if (job.outcome) return finish({&job});
  if (job.superseded_by) job.seems_superseded = true;
  if (job.seems_superseded) return make_ready(job);
  // Now it is known how much is to be embedded.
  if (!has_budget(job)) job.rank = documents_.at(document_of(job)).rank = rank_of_backfill;
  keep_place(job);
  enqueue(job);
}

asio::awaitable<void> Worker::Impl::fetch_once(Job& job) {
  if (!deps_.texts) {
    job.refusal = Refusal{no_files(), refused_by_reading, 1};
    co_return;
  }
  const auto& document = *job.prepared->document;
  // An event holds text, whether in itself or in a file. What the API indexes is any document.
  auto text = co_await deps_.texts->text_of(
      context(options_->fetch_timeout), *job.prepared->tenant, *document.awaits_text->file,
      options_->text_bytes_max, document.origin == Origin::upload);
  if (!text) {
    job.refusal = Refusal{text.error(), refused_by_reading, 1};
    co_return;
  }
  const auto bytes = text->text.size();
  job.unread = job.prepared;
  auto work = [deps = prepare_deps(), upload = job.prepared, text = std::move(*text),
               make_way = deps_.make_way](std::stop_token) mutable {
    make_way();
    return completed(deps, *upload, std::move(text));
  };
  job.prepared = co_await runtime::offload(deps_.cpu, std::move(work));
  hold_text(job, bytes);
  if (job.prepared->fault) job.refusal = Refusal{*job.prepared->fault, refused_by_reading, 1};
}

void Worker::Impl::forget_text(Job& job) {
  if (job.referenced_bytes == 0) return;
  // Without its text the event can still be refused or found superseded, and be fetched again.
  if (job.unread) job.prepared = job.unread;
  job.embeddings.reset();
  job.sealed.reset();
  hold_text(job, 0);
}

void Worker::Impl::hold_text(Job& job, std::size_t bytes) {
  if (job.referenced_bytes == bytes) return;
  auto& held = text_bytes_[*job.prepared->tenant];
  held = held - job.referenced_bytes + bytes;
  deps_.metrics.text_bytes.Increment(static_cast<double>(bytes) -
                                     static_cast<double>(job.referenced_bytes));
  all_text_bytes_ = all_text_bytes_ - job.referenced_bytes + bytes;
  job.referenced_bytes = bytes;
  if (held == 0) text_bytes_.erase(*job.prepared->tenant);
  changed_->notify_all();
}

}  // namespace memseal::ingest
