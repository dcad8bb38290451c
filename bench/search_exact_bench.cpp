// search_exact: median time of ChunkSearch::nearest, for 24 of one tenant's 2,000 chunks, which lie
// among those of others. It covers the whole path: coroutine, database thread, transaction, reading
// of rows. The rival is pgbench with the same SQL, as the same user, in prepared transactions.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "bench.hpp"
#include "pg_bench.hpp"

#include <fstream>
#include <sstream>

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr std::size_t dimension = 384, text_bytes = 1'024;
constexpr int chunks_each = 50, documents_of_one = 40, others = 20, documents_of_others = 10;
constexpr int runs = 7, calls = 400;
constexpr const char* run_s = "2";

runtime::RequestContext soon() {
  return {"bench", runtime::Deadline::after(std::chrono::seconds(30))};
}

/// Documents of all tenants in turn, as they would arrive.
void fill(asio::io_context& loop, postgres::Pool& pool, const crypto::Tenant& owner) {
  std::mt19937 random(1);
  postgres::PgChunkStore store(pool);
  const auto put = [&](const crypto::Tenant& whose, int doc) {
    std::vector<ports::EventWrite> writes;
    writes.push_back(sealed_upload(whose, "document-" + std::to_string(doc), chunks_each,
                                   std::string(text_bytes, 'x'), dimension, random));
    run_on(loop, store.store(soon(), whose, std::move(writes)));
  };
  for (int doc = 0; doc < documents_of_one; ++doc) {
    put(owner, doc);
    if (doc % 4 != 0) continue;
    for (int other = 0; other < others && doc / 4 < documents_of_others; ++other) {
      put(bench_tenant("other-" + std::to_string(other)), doc);
    }
  }
}

std::string text_of(const std::vector<float>& vector) {
  std::string text = "[";
  for (const float value : vector) text += (text.size() > 1 ? "," : "") + std::to_string(value);
  return text + "]";
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// The statement that the service prepares, with its parameters written out.
std::string nearest_sql(const std::vector<float>& query) {
  for (const auto& statement : postgres::search_statements()) {
    if (std::string_view(statement.name) != "nearest") continue;
    std::string sql(statement.sql);
    replace_all(sql, "${vector}", "public");
    replace_all(sql, "$1", "'" + text_of(query) + "'");
    replace_all(sql, "$2", "24");
    return sql;
  }
  throw std::runtime_error("no statement is named nearest");
}

std::string pgbench_script(const crypto::Tenant& owner, const std::vector<float>& query) {
  return "BEGIN;\nSET LOCAL app.user_hash = '" + owner.hash().to_hex() + "';\n" +
         nearest_sql(query) + ";\nCOMMIT;\n";
}

/// Median microseconds of one transaction, from pgbench's own log of each.
double pgbench_us(const BenchDatabase& database, const std::filesystem::path& scratch) {
  const auto prefix = (scratch / "log").string();
  run_command(pg_program("pgbench") + " -n -M prepared -c 1 -T " + run_s + " -f " +
              (scratch / "script.sql").string() + " -l --log-prefix=" + prefix + " -d \"" +
              database.app_dsn() + "\" >/dev/null 2>&1");
  std::vector<double> times;
  for (const auto& entry : std::filesystem::directory_iterator(scratch)) {
    if (!entry.path().filename().string().starts_with("log")) continue;
    std::ifstream log(entry.path());
    for (std::string line; std::getline(log, line);) {
      std::istringstream fields(line);
      double client = 0, transaction = 0, us = 0;
      if (fields >> client >> transaction >> us) times.push_back(us);
    }
    std::filesystem::remove(entry.path());
  }
  if (times.size() < 20) throw std::runtime_error("pgbench made too few transactions");
  return median(times);
}

asio::awaitable<std::vector<double>> search_many(postgres::PgChunkSearch& search,
                                                 crypto::Tenant owner, ports::QueryVector query) {
  std::vector<double> times;
  for (int call = 0; call < calls; ++call) {
    const auto start = runtime::Clock::now();
    const ports::SearchFilter everything;
    const auto found = co_await search.nearest(soon(), owner, query, 24, everything);
    times.push_back(
        std::chrono::duration<double, std::micro>(runtime::Clock::now() - start).count());
    if (found.size() != 24) throw std::runtime_error("not 24 rows");
  }
  co_return times;
}

void measure() {
  BenchDatabase database(dimension);
  ScratchDirectory scratch;
  BenchPool connection(database);
  auto& pool = connection.pool;
  postgres::PgChunkSearch search(pool);
  asio::io_context loop;
  const auto owner = bench_tenant("bench");
  fill(loop, pool, owner);
  database.super("VACUUM ANALYZE app.memory_chunks");

  std::mt19937 random(2);
  const ports::QueryVector query{random_unit_vector(random, dimension)};
  std::ofstream(scratch.path() / "script.sql") << pgbench_script(owner, query.values);
  pgbench_us(database, scratch.path());
  run_on(loop, search_many(search, owner, query));
  std::vector<double> ours, rivals, ratios;
  for (int run = 0; run < runs; ++run) {
    rivals.push_back(pgbench_us(database, scratch.path()));
    ours.push_back(median(run_on(loop, search_many(search, owner, query))));
    ratios.push_back(ours.back() / rivals.back());
  }
  print({"search_exact", median(ours), median(rivals), "pgbench -M prepared, same SQL and user",
         median(ratios), "us", "lower", runs});
}

}  // namespace

int main() {
  if (!super_dsn_or_null()) {
    print_skipped("search_exact", "MEMSEAL_TEST_PG_SUPER is not set: run scripts/stack up");
    return 0;
  }
  measure();
}
