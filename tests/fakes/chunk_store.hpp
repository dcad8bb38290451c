#pragma once
#include "fakes/fault_script.hpp"
#include "ports/chunk_store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// The ledger and the rows of all tenants. Applies each event once, as PostgreSQL does.
class ChunkStore final : public ports::ChunkStore {
 public:
  struct Failure {
    crypto::Tenant owner;
    Uuid event_id;
    Origin origin;
    std::optional<DocId> doc_id;
    Errc code;
    std::optional<ports::SourcePlace> source = {};
  };

  asio::awaitable<std::vector<ports::Look>> look(runtime::RequestContext, crypto::Tenant owner,
                                                 std::vector<ports::EventKey> events) override {
    ++looks;
    co_await look_faults.play();
    std::vector<ports::Look> answers;
    for (const auto& event : events) {
      const bool replaces = stored_document(owner, event.doc_id) != nullptr;
      auto& answer = answers.emplace_back(ports::Look{known(owner, event), replaces}).answer;
      const bool is_younger = stored_at_ms > 0 && event.record_ms > stored_at_ms;
      if (answer == ports::Stored::duplicate && is_younger) answer = ports::Stored::sent_again;
    }
    if (after_look) after_look();
    co_return answers;
  }
  asio::awaitable<std::vector<std::vector<ports::Embedding>>> stored_vectors(
      runtime::RequestContext, crypto::Tenant owner,
      std::vector<ports::VectorsKey> keys) override {
    ++vector_looks;
    co_await vector_faults.play();
    std::vector<std::vector<ports::Embedding>> answers;
    for (const auto& key : keys) {
      auto& vectors = answers.emplace_back(key.macs.size());
      const auto* stored = stored_document(owner, key.doc_id);
      for (std::size_t i = 0; stored && i < vectors.size(); ++i)
        for (const auto& chunk : stored->chunks)
          if (chunk.header().embed_mac == key.macs[i]) vectors[i] = chunk.embedding();
    }
    if (after_vectors) after_vectors();
    co_return answers;
  }
  asio::awaitable<std::vector<ports::TurnsLook>> look_at_turns(
      runtime::RequestContext, crypto::Tenant owner, std::vector<ports::TurnsKey> keys) override {
    co_await look_faults.play();
    std::vector<ports::TurnsLook> answers;
    for (const auto& key : keys) answers.push_back(turns_of(owner, key));
    co_return answers;
  }
  asio::awaitable<std::vector<ports::Stored>> store(
      runtime::RequestContext, crypto::Tenant owner,
      std::vector<ports::EventWrite> writes) override {
    co_await faults.play();
    for (const auto& write : writes)
      if (poison && poison(write)) throw std::runtime_error("poison");
    std::vector<ports::Stored> answers(writes.size());
    for (const bool expect_superseded : {false, true})
      for (std::size_t at = 0; at < writes.size(); ++at)
        if (writes[at].expect_superseded == expect_superseded)
          answers[at] = apply(owner, writes[at]);
    if (replies_lost > 0) {
      --replies_lost;
      throw Outage({Errc::unavailable, "the connection broke in COMMIT"});
    }
    co_return answers;
  }
  asio::awaitable<void> rehearse(runtime::RequestContext, crypto::Tenant,
                                 std::vector<ports::EventWrite> writes) override {
    ++rehearsals;
    rehearsed = std::move(writes);
    faults.play_check();
    if (check) check();
    co_return;
  }
  asio::awaitable<void> store_failure(runtime::RequestContext, crypto::Tenant owner, Uuid event_id,
                                      Origin origin, std::optional<DocId> doc_id, Errc code,
                                      std::optional<ports::SourcePlace> source) override {
    co_await faults.play();
    failures.push_back({owner, event_id, origin, std::move(doc_id), code, std::move(source)});
  }
  std::size_t events() const { return ledger.size(); }

  FaultScript faults, look_faults, vector_faults;
  int looks = 0, vector_looks = 0;
  std::function<void()> after_vectors;  ///< what another process does after stored_vectors()
  std::int64_t stored_at_ms = 0;  ///< of all rows of the ledger; 0: after all records
  std::function<void()> after_look;  ///< what another process does before the rows are written
  std::function<void(const Uuid&)> after_write;  ///< is given the event whose rows were written
  int replies_lost = 0;  ///< so many calls are applied, and then their connection breaks
  std::function<bool(const ports::EventWrite&)> poison;  ///< true: the write makes store() throw
  std::set<crypto::Tenant> erased;
  std::set<std::pair<crypto::Tenant, Uuid>> ledger;
  std::map<crypto::Tenant, std::vector<ports::EventWrite>> writes_of;
  std::map<std::pair<crypto::Tenant, std::string>, std::int64_t> revisions;  ///< of uploads
  std::vector<Failure> failures;
  int rehearsals = 0;
  std::function<void()> check;               ///< what a rehearsal does; may throw
  std::vector<ports::EventWrite> rehearsed;  ///< writes of the last rehearsal

 private:
  /// The version of an upload that is stored, if it has chunks.
  const ports::EventWrite* stored_document(const crypto::Tenant& owner, const DocId& doc) const {
    const auto found = writes_of.find(owner);
    if (found == writes_of.end()) return nullptr;
    for (auto at = found->second.rbegin(); at != found->second.rend(); ++at)
      if (at->doc_id == doc && at->origin != Origin::chat)
        return at->deletion || at->chunks.empty() ? nullptr : &*at;
    return nullptr;
  }
  /// The rows of a conversation in the order in which they were written.
  ports::TurnsLook turns_of(const crypto::Tenant& owner, const ports::TurnsKey& key) {
    ports::TurnsLook look;
    std::set<Uuid> ids;
    for (const auto& write : writes_of[owner]) {
      if (write.origin != Origin::chat || write.doc_id != key.conversation) continue;
      for (const auto& chunk : write.chunks) {
        ids.insert(chunk.header().id);
        crypto::SealedCandidate row;
        row.id = chunk.header().id;
        row.doc_id = chunk.header().doc_id.value();
        row.chunk_index = chunk.header().chunk_index;
        row.created_at_ms = chunk.header().created_at_ms.value_or(0);
        row.text_cipher = chunk.text_cipher();
        row.meta_cipher = chunk.meta_cipher();
        look.latest.push_back(std::move(row));
      }
    }
    if (look.latest.size() > ports::turns_looked_at)
      look.latest.erase(look.latest.begin(), look.latest.end() - ports::turns_looked_at);
    for (const auto& id : key.chunks) look.stored.push_back(ids.contains(id));
    return look;
  }
  std::optional<ports::Stored> known(const crypto::Tenant& owner,
                                     const ports::EventKey& event) const {
    if (erased.contains(owner)) return ports::Stored::erased;
    if (ledger.contains({owner, event.event_id})) return ports::Stored::duplicate;
    if (const auto& arrival = event.by_arrival) {
      const bool is_superseded =
          arrival->superseded_by && ledger.contains({owner, *arrival->superseded_by});
      return is_superseded ? std::optional(ports::Stored::superseded) : std::nullopt;
    }
    const auto found = revisions.find({owner, event.doc_id.value()});
    if (event.origin == Origin::chat || found == revisions.end()) return std::nullopt;
    if (found->second > event.revision) return ports::Stored::superseded;
    return std::nullopt;
  }
  void delete_chunks(const crypto::Tenant& owner, const ports::EventWrite& deletion) {
    const auto before_ms = deletion.deletion->before_ms;
    for (auto& write : writes_of[owner]) {
      const bool same_kind = (write.origin == Origin::chat) == (deletion.origin == Origin::chat);
      if (write.doc_id != deletion.doc_id || !same_kind) continue;
      std::erase_if(write.chunks, [&](const auto& chunk) {
        return !before_ms || chunk.header().created_at_ms.value_or(0) < *before_ms;
      });
    }
  }
  ports::Stored apply(const crypto::Tenant& owner, ports::EventWrite& write) {
    const ports::EventKey key{write.event_id, write.origin, write.doc_id, write.revision,
                              write.by_arrival};
    const auto found = known(owner, key);
    if (!found && write.expect_superseded) return ports::Stored::current;
    if (!found || found == ports::Stored::superseded) ledger.insert({owner, write.event_id});
    if (found) return *found;
    if (write.deletion) delete_chunks(owner, write);
    if (write.origin != Origin::chat) revisions[{owner, write.doc_id.value()}] = write.revision;
    writes_of[owner].push_back(std::move(write));
    if (after_write) after_write(key.event_id);
    return ports::Stored::applied;
  }
};

}  // namespace memseal::fakes
