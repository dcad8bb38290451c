// Looks at what is stored of the conversations to which chats add turns: a turn that is stored is
// not embedded again, and a new one is embedded with those before it.
// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/ingest/internal/worker_impl.hpp"
#include "runtime/offload.hpp"

#include <map>
#include <set>

namespace memseal::ingest {

namespace {

bool adds_turns(const Job& job) {
  return job.goes_on() && !job.leader && job.prepared->document->conversation &&
         !job.prepared->document->conversation->turns.empty();
}

/// What is asked of the database about one chat.
ports::TurnsKey key_of(const crypto::IdDeriver& ids, const crypto::Tenant& owner,
                       const Document& document) {
  const auto& turns = document.conversation->turns;
  ports::TurnsKey key{.conversation = document.doc_id, .chunks = {}, .until_ms = {}};
  for (const auto& turn : turns)
    key.chunks.push_back(ids.chunk_id(owner, document.doc_id, revision_of(turn.key), 0));
  if (turns.front().said.at_ms > 0) key.until_ms = turns.front().said.at_ms;
  return key;
}

bool changes(const StoredTurns& known) {
  return !known.latest.empty() ||
         std::find(known.stored.begin(), known.stored.end(), true) != known.stored.end();
}

/// A chat, and what is known of its conversation.
struct Recalled {
  std::shared_ptr<const Prepared> chat;
  StoredTurns known;
};

}  // namespace

// An event about which nothing is known is embedded by itself, and the keys of its rows keep those
// that are stored from being stored twice.
asio::awaitable<void> Worker::Impl::recall_turns(const Group& group) {
  Jobs chats;
  std::set<std::string_view> deleted;  // conversations of which an earlier job of the group deletes
  for (auto* job : group.jobs) {
    if (!job->goes_on()) continue;
    const auto& document = *job->prepared->document;
    if (document.deletion) deleted.insert(document.doc_id.value());
    // What is stored now will be gone when these turns are stored.
    const bool is_known = !deleted.contains(document.doc_id.value()) && !deletes_before(*job);
    if (adds_turns(*job) && is_known) chats.push_back(job);
  }
  if (chats.empty()) co_return;
  const auto step = [&](std::size_t first, std::size_t count) {
    return recall_once(group.owner, going_on(chats, first, count));
  };
  const auto go_on = [](std::size_t, const Error&) {};
  co_await steps_.over(Stage::look, chats.size(), chats.size(), step, go_on);
}

/// Whether a deletion of the same conversation arrived before `job` and is not stored yet.
bool Worker::Impl::deletes_before(const Job& job) const {
  const auto found = documents_.find(document_of(job));
  if (found == documents_.end()) return false;
  return std::any_of(found->second.jobs.begin(), found->second.jobs.end(), [&](const Job* other) {
    return other->number < job.number && other->prepared->document->deletion;
  });
}

/// The chat of the same conversation that arrived before `job` and is not stored yet.
const Job* Worker::Impl::in_work_before(const Job& job) const {
  const auto found = documents_.find(document_of(job));
  if (found == documents_.end()) return nullptr;
  const auto& jobs = found->second.jobs;
  const auto before = std::find_if(jobs.rbegin(), jobs.rend(), [&](const Job* other) {
    return other->number < job.number && other->prepared->document->conversation;
  });
  return before == jobs.rend() ? nullptr : *before;
}

asio::awaitable<void> Worker::Impl::recall_once(crypto::Tenant owner, Jobs jobs) {
  std::vector<ports::TurnsKey> keys;
  std::map<std::string_view, std::vector<SaidBefore>> latest;  // of chats that are not stored yet
  for (const auto* job : jobs) {
    const auto& document = *job->prepared->document;
    keys.push_back(key_of(deps_.ids, owner, document));
    // Before the look, because one that is stored meanwhile would be missed.
    if (const auto* before = in_work_before(*job)) {
      const auto& earlier = *before->prepared->document;
      latest.try_emplace(document.doc_id.value(), latest_of(*earlier.conversation, earlier.latest));
    }
  }
  auto answers =
      co_await deps_.store.look_at_turns(context(options_->store_timeout), owner, std::move(keys));
  if (answers.size() != jobs.size()) throw std::runtime_error("the store lost an answer");

  std::vector<Recalled> chats;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto& document = *jobs[i]->prepared->document;
    StoredTurns known{std::move(answers[i].stored), {}};
    const auto [said, is_stored] = latest.try_emplace(document.doc_id.value());
    if (is_stored) said->second = co_await open_latest(owner, std::move(answers[i].latest));
    mark_stored(*document.conversation, said->second, known.stored);
    // A turn that is stored stands at its own place, and the latest turns may come after it.
    const bool is_history =
        std::find(known.stored.begin(), known.stored.end(), true) != known.stored.end();
    if (!is_history) known.latest = said->second;
    said->second = latest_of(*document.conversation, known.latest);
    chats.push_back({jobs[i]->prepared, std::move(known)});
  }
  auto work = [deps = prepare_deps(), chats = std::move(chats)](std::stop_token stop) {
    std::vector<std::shared_ptr<const Prepared>> results;
    for (const auto& chat : chats) {
      if (stop.stop_requested()) break;
      results.push_back(changes(chat.known) ? recalled(deps, *chat.chat, chat.known) : chat.chat);
    }
    return results;
  };
  auto results = co_await runtime::offload(deps_.cpu, std::move(work));
  MEMSEAL_ASSERT(results.size() == jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->prepared = std::move(results[i]);
}

// A row that does not open is passed over: the turn is then embedded without it.
asio::awaitable<std::vector<SaidBefore>> Worker::Impl::open_latest(
    crypto::Tenant owner, std::vector<crypto::SealedCandidate> rows) {
  std::vector<SaidBefore> latest;
  for (auto& row : rows) {
    const auto key_id = crypto::Sealer::key_id_of(row.text_cipher);
    if (!key_id) continue;
    const auto key =
        co_await deps_.keys.opening_key(context(options_->store_timeout), owner, *key_id);
    if (!key) continue;
    const auto passage = crypto::Sealer::open(owner, *key, std::move(row));
    if (!passage) continue;
    const auto turn = wire::turn_of_meta(passage->meta_json());
    latest.push_back({turn ? turn->role : std::string(), passage->from().created_at_ms,
                      passage->text()});
  }
  co_return latest;
}

}  // namespace memseal::ingest
