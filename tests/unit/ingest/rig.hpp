#pragma once
// A worker among fakes, with a vocabulary of a few words.
#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/worker.hpp"
#include "fakes/chunk_store.hpp"
#include "fakes/embedder.hpp"
#include "fakes/event_sink.hpp"
#include "fakes/event_source.hpp"
#include "fakes/tenant_keys.hpp"
#include "pure/wire/event.hpp"
#include "support/run_loop.hpp"
#include "support/test_key.hpp"

#include <boost/asio/thread_pool.hpp>

namespace memseal::ingest {

inline text::WordPiece tiny_words() {
  auto words = text::WordPiece::from_vocabulary(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\nuser\nassistant\n:\n.\nnote\nand\n");
  return std::move(words.value());
}

struct Rig : testing::Test {
  Rig() { options.backoff_first = options.backoff_max = std::chrono::milliseconds(1); }
  ~Rig() override { cpu.join(); }

  void run(std::chrono::seconds limit = std::chrono::seconds(30)) {
    Worker worker(deps(), options);
    test::run_to_end(loop, worker.run(), limit);
  }
  WorkerDeps deps() {
    return {source, sink, store, keys, embedder, words, keyer, ids,
            [this] { return crypto::TenantKey{dead_letter_key.id, dead_letter_key.key.clone()}; },
            *threads, ingest_metrics, gate, make_way, texts, now_ms, broker_now_ms,
            tracer};
  }

  crypto::Tenant tenant(const std::string& user) const {
    return keyer.tenant_of(UserId::parse(user).value());
  }
  Uuid id_of(const std::string& user, const std::string& event) const {
    return ids.event_id(tenant(user), "test", event);
  }
  wire::EventHead head(const std::string& user, const std::string& id) const {
    return {.id = id, .source = "test", .user = UserId::parse(user).value(),
            .time_ms = 1'700'000'000'000};
  }
  std::string upload(const std::string& user, const std::string& id,
                     const std::string& text = "hello world", std::int64_t revision = 1) const {
    return upload_of("doc-" + id, user, id, text, revision);
  }
  std::string upload_of(const std::string& document, const std::string& user,
                        const std::string& id, const std::string& text,
                        std::optional<std::int64_t> revision = std::nullopt) const {
    return wire::make_upload_event({.head = head(user, id),
                                    .doc_id = DocId::parse(document).value(),
                                    .name = "notes.txt",
                                    .mime_type = "text/plain",
                                    .text = text,
                                    .revision = revision,
                                    .tags = {},
                                    .attributes_json = R"({"topic":"x"})",
                                    .origin = Origin::upload});
  }
  std::string chat(const std::string& user, const std::string& id,
                   const std::string& conversation) const {
    wire::ChatEvent event{.head = head(user, id),
                          .conversation_id = DocId::parse(conversation).value(),
                          .messages = {},
                          .tags = {},
                          .attributes_json = {}};
    // With ids, because equal turns would be stored once.
    event.messages.push_back({"user", "hello", 0, id + "-user"});
    event.messages.push_back({"assistant", "world", 0, id + "-assistant"});
    return wire::make_chat_event(event);
  }
  ports::Record record(const std::string& user, std::string value,
                       const std::string& topic = "memory.upload.v1") {
    return {.topic = topic, .partition = 0, .offset = next_offset++,
            .timestamp_ms = 1'700'000'000'000, .key = user, .value = std::move(value)};
  }
  ports::Record good(const std::string& user, const std::string& id) {
    return record(user, upload(user, id));
  }
  void push(std::vector<ports::Record> records) { source.push({std::move(records), 1}); }

  double metric(const std::string& line) const {
    const auto text = metrics.render();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }
  static std::string header(const ports::OutRecord& record, std::string_view name) {
    for (const auto& [key, value] : record.headers)
      if (key == name) return value;
    return "(none)";
  }
  std::vector<Uuid> stored(const std::string& user) const {
    std::vector<Uuid> events;
    if (const auto found = store.writes_of.find(tenant(user)); found != store.writes_of.end())
      for (const auto& write : found->second) events.push_back(write.event_id);
    return events;
  }
  std::string opened(const std::string& user, const crypto::SealedChunk& chunk) const {
    const auto key = fakes::TenantKeys::key_of(tenant(user));
    crypto::SealedCandidate candidate;
    candidate.id = chunk.header().id;
    candidate.doc_id = chunk.header().doc_id.value();
    candidate.chunk_index = chunk.header().chunk_index;
    candidate.text_cipher = chunk.text_cipher();
    candidate.meta_cipher = chunk.meta_cipher();
    const auto passage = crypto::Sealer::open(tenant(user), *key, std::move(candidate));
    return passage ? passage->text() + "|" + passage->meta_json() : "(does not open)";
  }

  asio::io_context loop{1};
  asio::thread_pool cpu{1};
  asio::thread_pool* threads = &cpu;
  runtime::Metrics metrics;
  IngestMetrics ingest_metrics{metrics};
  fakes::EventSource source{loop.get_executor()};
  fakes::EventSink sink;
  fakes::ChunkStore store;
  fakes::TenantKeys keys;
  fakes::Embedder embedder{8};
  text::WordPiece words = tiny_words();
  crypto::TenantKeyer keyer{test::test_key(1)};
  crypto::IdDeriver ids{test::test_key(2)};
  crypto::TenantKey dead_letter_key{7, test::test_key(3)};
  const producers::Gate* gate = nullptr;
  std::function<void()> make_way = [] {};
  ports::TextSource* texts = nullptr;
  runtime::WallClock now_ms = runtime::unix_ms, broker_now_ms = runtime::unix_ms;
  runtime::Tracer* tracer = nullptr;
  Options options{.status_events = false};  // Status events are the subject of few tests.
  std::int64_t next_offset = 0;
};

}  // namespace memseal::ingest
