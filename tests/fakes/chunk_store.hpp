#pragma once
// Ports as a unit test wants them: in memory, on one loop, with faults on demand.
#include "ports/chunk_store.hpp"
#include "ports/embedder.hpp"
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "runtime/condition.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace memseal::test {

namespace asio = boost::asio;

/// Faults to come, one per call; empty: all is well.
struct Faults {
  std::deque<Errc> next;
  int calls = 0;
  bool away = false;                      ///< every call fails with `unavailable` meanwhile

  void strike() {
    ++calls;
    if (away) throw Outage({Errc::unavailable, "away"});
    if (next.empty()) return;
    const auto code = next.front();
    next.pop_front();
    throw_failure({code, "a fault of the test"});
  }
};

/// Hands out batches in order; then waits, or stops when told to.
class FakeSource final : public ports::EventSource {
 public:
  explicit FakeSource(const asio::any_io_executor& executor) : changed_(executor) {}

  void push(ports::Batch batch) {
    batches.push_back(std::move(batch));
    changed_.notify_all();
  }
  void stop() {
    stopped = true;
    changed_.notify_all();
  }

  asio::awaitable<ports::Batch> next() override {
    while (batches.empty() && !stopped && !stop_when_empty) co_await changed_.wait();
    ports::Batch batch;
    if (batches.empty() || stopped) co_return batch;
    batch = std::move(batches.front());
    batches.pop_front();
    ++taken;
    co_return batch;
  }
  void done(const ports::Batch& batch) override {
    for (const auto& record : batch.records) offsets_done.push_back(record.offset);
    if (on_done) on_done(batch);
  }

  std::deque<ports::Batch> batches;
  std::vector<std::int64_t> offsets_done;
  std::function<void(const ports::Batch&)> on_done;
  bool stop_when_empty = true, stopped = false;
  int taken = 0;

 private:
  runtime::Condition changed_;
};

class FakeSink final : public ports::EventSink {
 public:
  asio::awaitable<void> publish(runtime::RequestContext, ports::OutRecord record) override {
    faults.strike();
    if (check) check(record);
    published.push_back(std::move(record));
    co_return;
  }
  std::vector<ports::OutRecord> to(ports::Channel channel) const {
    std::vector<ports::OutRecord> found;
    for (const auto& record : published)
      if (record.channel == channel) found.push_back(record);
    return found;
  }
  std::vector<ports::OutRecord> letters_of(const std::string& topic) const {
    auto found = to(ports::Channel::dead_letter);
    std::erase_if(found, [&](const auto& letter) { return letter.source_topic != topic; });
    return found;
  }

  Faults faults;
  std::function<void(const ports::OutRecord&)> check;   ///< may throw
  std::vector<ports::OutRecord> published;
};

/// The ledger and the rows of all tenants. Applies each event once, as the real one must.
class FakeStore final : public ports::ChunkStore {
 public:
  struct Failure {
    crypto::Tenant owner;
    Uuid event_id;
    Origin origin;
    std::optional<DocId> doc_id;
    Errc code;
  };

  asio::awaitable<std::vector<ports::Stored>> store(
      runtime::RequestContext, crypto::Tenant owner,
      std::vector<ports::EventWrite> writes) override {
    faults.strike();
    for (const auto& write : writes)
      if (poison && poison(write)) throw std::runtime_error("poison");
    std::vector<ports::Stored> answers;
    for (auto& write : writes) {
      if (erased.contains(owner)) {
        answers.push_back(ports::Stored::erased);
      } else if (!ledger.insert({owner, write.event_id}).second) {
        answers.push_back(ports::Stored::duplicate);
      } else {
        answers.push_back(ports::Stored::applied);
        writes_of[owner].push_back(std::move(write));
      }
    }
    if (replies_lost > 0) {
      --replies_lost;
      throw Outage({Errc::unavailable, "the connection broke in COMMIT"});
    }
    co_return answers;
  }
  asio::awaitable<void> store_failure(runtime::RequestContext, crypto::Tenant owner, Uuid event_id,
                                      Origin origin, std::optional<DocId> doc_id,
                                      Errc code) override {
    faults.strike();
    failures.push_back({owner, event_id, origin, std::move(doc_id), code});
    co_return;
  }
  std::size_t events() const { return ledger.size(); }

  Faults faults;
  int replies_lost = 0;                                   ///< applied, then the connection breaks
  std::function<bool(const ports::EventWrite&)> poison;
  std::set<crypto::Tenant> erased;
  std::set<std::pair<crypto::Tenant, Uuid>> ledger;
  std::map<crypto::Tenant, std::vector<ports::EventWrite>> writes_of;
  std::vector<Failure> failures;
};

/// One key per tenant, made from its hash.
class FakeKeys final : public ports::TenantKeys {
 public:
  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext,
                                                   crypto::Tenant owner) override {
    faults.strike();
    if (erased.contains(owner)) throw Refused({Errc::tenant_erased, "erased"});
    co_return key_of(owner);
  }
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext, crypto::Tenant owner,
                                                   std::uint32_t key_id) override {
    if (key_id != 1 || erased.contains(owner)) co_return nullptr;
    co_return key_of(owner);
  }
  static ports::TenantKeyPtr key_of(const crypto::Tenant& owner) {
    auto key = std::make_shared<crypto::TenantKey>();
    key->id = 1;
    key->key = SecretBytes(ByteView(owner.hash().bytes));
    return key;
  }

  Faults faults;
  std::set<crypto::Tenant> erased;
};

/// A unit vector that depends on the token ids alone.
class FakeEmbedder final : public ports::Embedder {
 public:
  std::size_t dimension() const override { return 8; }
  const std::string& model_name() const override { return name_; }
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext, std::vector<ports::EmbedInput> inputs) override {
    faults.strike();
    calls.push_back(inputs.size());
    std::vector<ports::Embedding> out;
    for (auto& input : inputs) {
      out.push_back(vector_of(input.token_ids));
      texts.push_back(std::move(input.text));
    }
    co_return out;
  }
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext,
                                                  std::string text) override {
    faults.strike();
    const std::vector<std::int32_t> ids(text.begin(), text.end());
    ports::QueryVector query{vector_of(ids)};
    co_return query;
  }
  ports::Embedding vector_of(const std::vector<std::int32_t>& ids) const {
    ports::Embedding values(dimension(), 0.1f);
    for (std::size_t i = 0; i < ids.size(); ++i)
      values[i % values.size()] += static_cast<float>(ids[i] % 97);
    float length = 0;
    for (const float value : values) length += value * value;
    for (float& value : values) value /= std::sqrt(length);
    return values;
  }

  Faults faults;
  std::vector<std::size_t> calls;                         ///< chunks of each call
  std::vector<std::string> texts;                         ///< of all of them

 private:
  std::string name_ = "fake-embedder";
};

/// A key for tests: `fill` 32 times.
inline SecretBytes test_key(std::uint8_t fill) {
  const Bytes bytes(32, fill);
  return SecretBytes(bytes);
}

}  // namespace memseal::test
