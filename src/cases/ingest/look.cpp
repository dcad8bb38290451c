// Finds the events that need no embedding: the database holds them already, or holds a newer
// revision of their document, or the batch does.
#include "cases/ingest/internal/worker_impl.hpp"

#include <map>
#include <utility>

namespace memseal::ingest {

namespace {

/// Marks the uploads of which the batch holds a newer one, and later mentions of one event.
void find_superseded(const Group& group) {
  std::map<std::string_view, std::int64_t> newest;
  std::map<Uuid, const Job*> first;
  const auto uploads = [](const Job* job) {
    return job->goes_on() && job->prepared->document->origin != Origin::chat;
  };
  for (auto* job : group.jobs) {
    if (!job->goes_on()) continue;
    if (!first.try_emplace(job->prepared->event_id, job).second) job->seems_superseded = true;
    if (!uploads(job)) continue;
    const auto& document = *job->prepared->document;
    auto& revision = newest.try_emplace(document.doc_id.value(), document.revision).first->second;
    revision = std::max(revision, document.revision);
  }
  for (auto* job : group.jobs) {
    if (!uploads(job)) continue;
    const auto& document = *job->prepared->document;
    if (document.revision < newest.at(document.doc_id.value())) job->seems_superseded = true;
  }
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
  find_superseded(group);
}

asio::awaitable<void> Worker::Impl::look_once(crypto::Tenant owner, Jobs jobs) {
  std::vector<ports::EventKey> keys;
  for (const auto* job : jobs) {
    const auto& document = *job->prepared->document;
    keys.push_back(
        {job->prepared->event_id, document.origin, document.doc_id, document.revision});
  }
  const auto answers =
      co_await deps_.store.look(context(options_->store_timeout), owner, std::move(keys));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!answers[i]) continue;
    // The ledger does not know a superseded event yet, so that event goes through the store.
    if (answers[i] == ports::Stored::superseded)
      jobs[i]->seems_superseded = true;
    else
      settled(*jobs[i], *outcome_of(*answers[i]));
  }
}

}  // namespace memseal::ingest
