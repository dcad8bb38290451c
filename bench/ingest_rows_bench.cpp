// ingest_rows: rows a second through ChunkStore::store (ledger, documents, chunks and counts under
// forced row-level security; one connection, 1,000 rows a transaction, rows sealed beforehand),
// against psql's binary \copy of the same rows into a clone of the table without row-level
// security.
#include "adapters/postgres/chunk_store.hpp"
#include "bench.hpp"
#include "pg_bench.hpp"

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr std::size_t dimension = 384, text_bytes = 1'024;
constexpr int documents = 400, chunks_each = 50, documents_a_batch = 20;
constexpr int rows = documents * chunks_each, runs = 7;

using Batches = std::vector<std::vector<ports::EventWrite>>;

Batches make_batches(const crypto::Tenant& owner) {
  std::mt19937 random(1);
  Batches batches;
  for (int doc = 0; doc < documents; ++doc) {
    if (doc % documents_a_batch == 0) batches.emplace_back();
    batches.back().push_back(sealed_upload(owner, "document-" + std::to_string(doc), chunks_each,
                                           std::string(text_bytes, 'x'), dimension, random));
  }
  return batches;
}

/// Seconds for all rows. Copying the batches is not timed, because ingest moves them.
double store_all(asio::io_context& loop, postgres::PgChunkStore& store, const crypto::Tenant& owner,
                 const Batches& batches) {
  double total = 0;
  for (auto batch : batches) {
    total += seconds([&] {
      const runtime::RequestContext context{"bench",
                                            runtime::Deadline::after(std::chrono::minutes(1))};
      for (const auto answer : run_on(loop, store.store(context, owner, std::move(batch)))) {
        if (answer != ports::Stored::applied) throw std::runtime_error("an event was not applied");
      }
    });
  }
  return total;
}

double copy_all(const BenchDatabase& database, const std::string& file) {
  const std::string command = pg_program("psql") + " -XqAt -v ON_ERROR_STOP=1 -d \"" +
                              database.super_dsn() + "\" -c \"\\copy public.rival from '" + file +
                              "' with (format binary)\"";
  return seconds([&] { run_command(command); });
}

void measure() {
  BenchDatabase database(dimension);
  ScratchDirectory scratch;
  BenchPool connection(database);
  auto& pool = connection.pool;
  postgres::PgChunkStore store(pool);
  asio::io_context loop;
  const auto owner = bench_tenant("bench");
  const auto batches = make_batches(owner);

  store_all(loop, store, owner, batches);
  const std::string file = scratch.path() / "rows.bin";
  run_command(pg_program("psql") + " -XqAt -v ON_ERROR_STOP=1 -d \"" + database.super_dsn() +
              "\" -c \"\\copy app.memory_chunks to '" + file + "' with (format binary)\"");
  database.super("CREATE TABLE public.rival (LIKE app.memory_chunks INCLUDING ALL) "
                 "WITH (toast_tuple_target = 128)");

  std::vector<double> ours, rivals, ratios;
  for (int run = 0; run < runs; ++run) {
    database.super("TRUNCATE public.rival");
    database.super("CHECKPOINT");
    const double rival = rows / copy_all(database, file);
    database.super("TRUNCATE app.memory_chunks, app.term_blocks, app.documents, app.ingest_events");
    database.super("CHECKPOINT");
    const double mine = rows / store_all(loop, store, owner, batches);
    ours.push_back(mine);
    rivals.push_back(rival);
    ratios.push_back(mine / rival);
  }
  print({"ingest_rows", median(ours), median(rivals), "psql \\copy (format binary), no RLS",
         median(ratios), "rows/s", "higher", runs});
}

}  // namespace

int main() {
  if (!super_dsn_or_null()) {
    print_skipped("ingest_rows", "MEMSEAL_TEST_PG_SUPER is not set: run scripts/stack up");
    return 0;
  }
  measure();
}
