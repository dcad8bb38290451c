// Finds the events that need no embedding: the database holds them already, or holds a newer
// revision of their document, or the batch does.
#include "cases/ingest/internal/worker_impl.hpp"

#include <map>
#include <string_view>
#include <utility>

namespace memseal::ingest {

namespace {

/// Whether the revision of this upload decides.
bool goes_on_as_upload(const Job* job) {
  if (!job->goes_on()) return false;
  const auto& document = *job->prepared->document;
  return document.origin != Origin::chat && !document.by_arrival;
}

void follow(Job& job, Job& leader) {
  job.seems_superseded = true;
  job.leader = &leader;
  leader.followers.push_back(&job);
}

/// Lets an upload without a revision wait for the last such upload of its document in the batch,
/// which supersedes it. One that the database holds already counts if Kafka delivers it again,
/// because its document must not go back to an older text. It does not count if a producer sent it
/// again, because the text that arrived before that must not be lost.
void find_latest_arrivals(const Group& group) {
  std::map<std::string_view, Job*> latest;
  for (auto at = group.jobs.rbegin(); at != group.jobs.rend(); ++at) {
    auto& job = **at;
    const auto* document = job.prepared->document.get();
    if (!document || !document->by_arrival || job.leader) continue;
    // The ledger decides about a replay.
    if (job.prepared->replayed) continue;
    const auto found = latest.find(document->doc_id.value());
    // A deletion waits for none that comes later: should that one be refused, the deletion would
    // take a text that came after both of them. What comes before it waits for it.
    if (document->deletion && job.goes_on()) {
      latest.insert_or_assign(document->doc_id.value(), &job);
    } else if (found == latest.end()) {
      if (job.goes_on() || job.delivered_again) latest.emplace(document->doc_id.value(), &job);
    } else if (job.goes_on()) {
      job.superseded_by = found->second->prepared->event_id;
      follow(job, *found->second);
    }
  }
}

/// The uploads of one document between two of its deletions.
using Span = std::pair<std::string_view, int>;

/// Lets a second mention of an event, and an upload of which the batch holds a newer one, wait for
/// that other job. The last one of the newest revision leads. None leads what a deletion parts from
/// it: should the leader be refused, an upload would be stored behind the deletion.
void find_leaders(const Group& group) {
  std::map<Uuid, Job*> first;
  std::map<Span, Job*> newest;
  std::map<std::string_view, int> deletions;
  std::map<const Job*, Span> spans;
  for (auto* job : group.jobs) {
    if (!job->goes_on()) continue;
    const auto& name = job->prepared->document->doc_id.value();
    const auto& deletion = job->prepared->document->deletion;
    if (deletion && job->prepared->document->origin != Origin::chat) ++deletions[name];
    const auto [same, is_new] = first.try_emplace(job->prepared->event_id, job);
    if (!is_new) {
      follow(*job, *same->second);
      continue;
    }
    if (!goes_on_as_upload(job)) continue;
    const auto& document = *job->prepared->document;
    const Span span{name, deletions[name]};
    spans.emplace(job, span);
    auto& best = newest.try_emplace(span, job).first->second;
    if (document.revision >= best->prepared->document->revision) best = job;
  }
  for (auto* job : group.jobs) {
    if (!goes_on_as_upload(job) || job->leader) continue;
    const auto& document = *job->prepared->document;
    auto& best = *newest.at(spans.at(job));
    if (document.revision < best.prepared->document->revision) follow(*job, best);
  }
  find_latest_arrivals(group);
}

}  // namespace

std::vector<Group> groups_of(const Jobs& jobs) {
  std::map<crypto::Tenant, std::size_t> places;
  std::vector<Group> groups;
  for (auto* job : jobs) {
    if (!job->goes_on()) continue;
    const auto& owner = *job->prepared->tenant;
    const auto [place, is_new] = places.try_emplace(owner, groups.size());
    if (is_new) groups.push_back({owner, {}});
    groups[place->second].jobs.push_back(job);
  }
  return groups;
}

std::optional<Outcome> outcome_of(ports::Stored answer) {
  switch (answer) {
    case ports::Stored::applied:
      return Outcome::ingested;
    case ports::Stored::duplicate:
    case ports::Stored::sent_again:
      return Outcome::duplicate;
    case ports::Stored::superseded:
      return Outcome::superseded;
    case ports::Stored::erased:
      return Outcome::erased;
    case ports::Stored::current:
      return std::nullopt;
  }
  MEMSEAL_ASSERT(false);
}

asio::awaitable<void> Worker::Impl::look_all(Jobs jobs) {
  auto groups = groups_of(jobs);
  const auto work = [this](Group& group) { return look_at(group); };
  co_await for_each_group(groups, work);
}

asio::awaitable<void> Worker::Impl::look_at(Group& group) {
  auto& jobs = group.jobs;
  const auto step = [&](std::size_t first, std::size_t count) {
    return look_once(group.owner, Jobs(jobs.begin() + static_cast<std::ptrdiff_t>(first),
                                       jobs.begin() + static_cast<std::ptrdiff_t>(first + count)));
  };
  // An event that cannot be looked at is embedded, and the transaction decides.
  const auto go_on = [](std::size_t, const Error&) {};
  co_await steps_.over(Stage::look, jobs.size(), jobs.size(), step, go_on);
  find_leaders(group);
  co_await recall_turns(group);
  co_await keep_vectors(group.owner, group.jobs);
}

asio::awaitable<void> Worker::Impl::look_once(crypto::Tenant owner, Jobs jobs) {
  std::vector<ports::EventKey> keys;
  for (const auto* job : jobs) {
    const auto& document = *job->prepared->document;
    keys.push_back({job->prepared->event_id, document.origin, document.doc_id, document.revision,
                    document.by_arrival, job->record->timestamp_ms, job->prepared->first_place,
                    job->prepared->replayed, document.deletion.has_value()});
  }
  const auto answers =
      co_await deps_.store.look(context(options_->store_timeout), owner, std::move(keys));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto answer = answers[i].answer;
    jobs[i]->replaces = answers[i].replaces;
    if (!answer) continue;
    jobs[i]->delivered_again = answer == ports::Stored::duplicate;
    // The ledger does not know a superseded event yet, so that event goes through the store.
    if (answer == ports::Stored::superseded)
      jobs[i]->seems_superseded = true;
    else
      settled(*jobs[i], *outcome_of(*answer));
  }
}

}  // namespace memseal::ingest
