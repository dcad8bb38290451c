// ingest_pipeline: rows a second of the whole worker, from event to COMMIT (read, cut, look, seal,
// store, terms, under forced row-level security), with an embedder that costs nothing: eight users,
// documents of many chunks.
// ingest_tenants: events a second where each event is another user's, one chunk each; the users and
// their keys are known.
// Both against psql's binary \copy of the same rows into clones of the tables without row-level
// security.
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/key_store.hpp"
#include "bench.hpp"
#include "cases/ingest/worker.hpp"
#include "cases/lifecycle/tenant_keys.hpp"
#include "pg_bench.hpp"
#include "prose.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/wire/event.hpp"
#include "runtime/condition.hpp"
#include "runtime/log.hpp"
#include "support/test_key.hpp"

#include <boost/asio/thread_pool.hpp>

#include <deque>
#include <set>
#include <thread>

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr std::size_t vector_size = 384;
constexpr int runs = 5;
// A document of about 50 chunks, and an event of one.
constexpr int users = 8, documents = 240, many_users = 4'000;
constexpr std::size_t document_bytes = 45'000, line_bytes = 150;

/// Gives each text one of some vectors that are made beforehand.
class NullEmbedder final : public ports::Embedder {
 public:
  NullEmbedder() {
    std::mt19937 random(1);
    for (int i = 0; i < 512; ++i) vectors_.push_back(random_unit_vector(random, vector_size));
  }
  std::size_t dimension() const override { return vector_size; }
  const std::string& model_name() const override { return name_; }
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext, std::vector<ports::EmbedInput> inputs) override {
    std::vector<ports::Embedding> found;
    found.reserve(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i)
      found.push_back(vectors_[next_++ % vectors_.size()]);
    co_return found;
  }
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext, std::string) override {
    co_return ports::QueryVector{vectors_.front()};
  }

 private:
  std::string name_ = "all-MiniLM-L6-v2";
  std::vector<ports::Embedding> vectors_;
  std::size_t next_ = 0;
};

/// Takes whatever is published.
class NullSink final : public ports::EventSink {
 public:
  asio::awaitable<void> publish(runtime::RequestContext, ports::OutRecord record) override {
    letters_ += record.channel == ports::Channel::dead_letter;
    co_return;
  }
  bool reachable() const noexcept override { return true; }
  int letters() const noexcept { return letters_; }

 private:
  int letters_ = 0;
};

/// Records in memory, handed out within the window that the Kafka source has.
class WindowedSource final : public ports::EventSource {
 public:
  WindowedSource(const asio::any_io_executor& executor, std::vector<ports::Record> records)
      : records_(std::make_move_iterator(records.begin()), std::make_move_iterator(records.end())),
        changed_(executor) {}

  asio::awaitable<ports::Batch> next() override {
    while (!records_.empty() && !has_room()) co_await changed_.wait();
    ports::Batch batch{.records = {}, .generation = 1};
    std::size_t bytes = 0;
    while (!records_.empty() && batch.records.size() < limits::batch_records_max && has_room() &&
           (batch.records.empty() || bytes + records_.front().bytes() <= limits::batch_bytes_max)) {
      bytes += records_.front().bytes();
      held_bytes_ += records_.front().bytes();
      ++held_;
      batch.records.push_back(std::move(records_.front()));
      records_.pop_front();
    }
    co_return batch;
  }
  void done(const ports::Batch& batch) override { settled(batch); }
  void settled(const ports::Batch& batch) override {
    for (const auto& record : batch.records) {
      --held_;
      held_bytes_ -= std::min(held_bytes_, record.bytes());
    }
    changed_.notify_all();
  }
  void confirmed(const ports::Batch&) override {}
  void dropped(const ports::Batch& batch) override { settled(batch); }
  bool keeps(const ports::Record&, std::uint64_t) const override { return true; }
  void on_departure(std::function<void()>) override {}

 private:
  bool has_room() const {
    return held_ < limits::inflight_records_max && held_bytes_ < limits::inflight_bytes_max;
  }

  std::deque<ports::Record> records_;
  std::size_t held_ = 0, held_bytes_ = 0;
  runtime::Condition changed_;
};

/// The parts of a service that ingest has.
class Service {
 public:
  explicit Service(const text::WordPiece& words) : words_(words) {}
  ~Service() { cpu_.join(); }

  const BenchDatabase& database() const { return database_; }

  double seconds_for(std::vector<ports::Record> records) {
    const auto count = records.size();
    asio::io_context loop(1);
    runtime::Metrics metrics;
    ingest::IngestMetrics counts(metrics);
    WindowedSource source(loop.get_executor(), std::move(records));
    NullSink sink;
    ingest::Options options;
    options.terms = true;
    ingest::Worker worker({.source = source,
                           .sink = sink,
                           .store = store_,
                           .keys = keys_,
                           .embedder = embedder_,
                           .tokenizer = words_,
                           .keyer = tenants_,
                           .ids = ids_,
                           .dead_letter_key =
                               [] {
                                 return crypto::TenantKey{bench_key().id, bench_key().key.clone()};
                               },
                           .cpu = cpu_,
                           .metrics = counts},
                          options);
    auto whole = [&]() -> asio::awaitable<int> {
      co_await worker.run();
      co_return 0;
    };
    const double took = seconds([&] { run_on(loop, whole()); });
    const auto stored = counts.events(Origin::upload, ingest::Outcome::ingested).Value();
    if (sink.letters() > 0 || stored != static_cast<double>(count))
      throw std::runtime_error("not every event was stored");
    return took;
  }

 private:
  const text::WordPiece& words_;
  BenchDatabase database_{vector_size};
  runtime::Metrics metrics_;
  postgres::PostgresMetrics counts_{metrics_};
  lifecycle::KeyMetrics key_counts_{metrics_};
  postgres::Pool pool_{{.dsn = database_.app_dsn(), .connections = 4}, counts_};
  postgres::Pool key_pool_{{.name = "keys", .dsn = database_.app_dsn(), .connections = 2}, counts_};
  postgres::PgChunkStore store_{pool_};
  postgres::PgKeyStore key_store_{key_pool_};
  crypto::Keyring keyring_ =
      crypto::Keyring::from_keys(test::test_key_hex(1), test::test_key_hex(2),
                                 test::test_key_hex(3)).value();
  crypto::TenantKeyer tenants_ = keyring_.tenant_keyer();
  crypto::IdDeriver ids_ = keyring_.id_deriver();
  lifecycle::CachedTenantKeys keys_{key_store_, keyring_, key_counts_};
  NullEmbedder embedder_;
  asio::thread_pool cpu_{std::max(1u, std::thread::hardware_concurrency())};
};

/// `count` uploads of new documents, of `of_users` users in turn.
std::vector<ports::Record> uploads(ProseWriter& writer, int count, int of_users,
                                   std::size_t bytes) {
  static int made = 0;
  std::vector<ports::Record> records;
  for (int i = 0; i < count; ++i) {
    const auto number = std::to_string(++made);
    const auto user = "user-" + std::to_string(i % of_users);
    ports::Record record{.topic = "memory.upload.v1", .offset = i, .key = user};
    record.value = wire::make_upload_event(
        {.head = {.id = number, .source = "bench", .user = UserId::parse(user).value(),
                  .time_ms = 1'700'000'000'000},
         .doc_id = DocId::parse("document-" + number).value(),
         .name = "document " + number + ".md",
         .mime_type = "text/markdown",
         .text = writer.prose(bytes),
         .tags = {},
         .attributes_json = {},
         .origin = Origin::upload});
    records.push_back(std::move(record));
  }
  return records;
}

/// The rows that are stored now, as the rival writes them.
class Rival {
 public:
  explicit Rival(const BenchDatabase& database) : database_(database) {
    for (const auto* table : tables)
      psql("\\copy app." + std::string(table) + " to '" + file(table) + "' with (format binary)");
    database.super("DROP TABLE IF EXISTS public.memory_chunks, public.term_blocks");
    database.super("CREATE TABLE public.memory_chunks (LIKE app.memory_chunks INCLUDING ALL) "
                   "WITH (toast_tuple_target = 128)");
    database.super("CREATE TABLE public.term_blocks (LIKE app.term_blocks INCLUDING ALL)");
  }
  double seconds_for_all() {
    database_.super("TRUNCATE public.memory_chunks, public.term_blocks");
    database_.super("CHECKPOINT");
    std::string commands;
    for (const auto* table : tables)
      commands += " -c \"\\copy public." + std::string(table) + " from '" + file(table) +
                  "' with (format binary)\"";
    return seconds([&] { run_command(program() + commands); });
  }

 private:
  static constexpr const char* tables[] = {"memory_chunks", "term_blocks"};
  std::string file(const char* table) const { return scratch_.path() / table; }
  std::string program() const {
    return pg_program("psql") + " -XqAt -v ON_ERROR_STOP=1 -d \"" + database_.super_dsn() + "\"";
  }
  void psql(const std::string& command) const {
    run_command(program() + " -c \"" + command + "\"");
  }

  const BenchDatabase& database_;
  ScratchDirectory scratch_;
};

int rows_of(const BenchDatabase& database) {
  pqxx::connection session(database.super_dsn());
  pqxx::nontransaction tx(session);
  return tx.exec("SELECT count(*) FROM app.memory_chunks")[0][0].as<int>();
}

/// `of_rows`: rows a second, else events a second.
void measure(Service& service, ProseWriter& writer, const std::string& id, bool of_rows, int count,
             int of_users, std::size_t bytes) {
  const auto& database = service.database();
  const auto empty = [&] {
    database.super("TRUNCATE app.memory_chunks, app.term_blocks, app.documents, "
                   "app.ingest_events");
    database.super("CHECKPOINT");
  };
  empty();
  service.seconds_for(uploads(writer, count, of_users, bytes));  // makes the users and their keys
  Rival rival(database);
  const double units = of_rows ? rows_of(database) : count;
  std::vector<double> ours, rivals, ratios;
  for (int run = 0; run < runs; ++run) {
    const double theirs = units / rival.seconds_for_all();
    empty();
    auto records = uploads(writer, count, of_users, bytes);
    const double took = service.seconds_for(std::move(records));
    const double mine = (of_rows ? rows_of(database) : count) / took;
    ours.push_back(mine);
    rivals.push_back(theirs);
    ratios.push_back(mine / theirs);
  }
  print({id, median(ours), median(rivals), "psql \\copy (format binary), no RLS", median(ratios),
         of_rows ? "rows/s" : "events/s", "higher", runs});
}

}  // namespace

int main() {
  const auto vocabulary = file_content(vocabulary_path());
  const auto words = text::WordPiece::from_vocabulary(vocabulary);
  if (!super_dsn_or_null() || !words) {
    for (const auto* id : {"ingest_pipeline", "ingest_tenants"})
      print_skipped(id, !words ? "no vocabulary: run scripts/deps --bench"
                               : "MEMSEAL_TEST_PG_SUPER is not set: run scripts/stack up");
    return 0;
  }
  ProseWriter writer(vocabulary);
  Service service(*words);
  measure(service, writer, "ingest_pipeline", true, documents, users, document_bytes);
  measure(service, writer, "ingest_tenants", false, many_users, many_users, line_bytes);
}
