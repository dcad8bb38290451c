// search_matrix: a search that compares in memory, with all that belongs to it: coroutine, database
// thread, transaction, version, scan, fetch of the 24 found. Its rival is the bare scan of the same
// vectors, packed, by the same instruction set, which keeps the 24 best and does nothing else.
// search_matrix_10k, search_matrix_100k: the same against the plan of the database.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/matrix_store.hpp"
#include "bench.hpp"
#include "cases/search/matrix_search.hpp"
#include "pg_bench.hpp"
#include "pure/codec/half.hpp"
#include "pure/matrix/scan_ops.hpp"
#include "pure/matrix/wiped_array.hpp"

#include <queue>

namespace {

using namespace memseal;
using namespace memseal::bench;

constexpr std::size_t dimension = 384, text_bytes = 700, wanted = 24;
constexpr int chunks_each = 100, runs = 5;

runtime::RequestContext soon() {
  return {"bench", runtime::Deadline::after(std::chrono::seconds(60))};
}

/// Documents of the two tenants in turn, as they would arrive. Keeps the vectors of `large`.
std::vector<std::vector<float>> fill(asio::io_context& loop, postgres::Pool& pool,
                                     const crypto::Tenant& large, const crypto::Tenant& small) {
  std::mt19937 random(1);
  postgres::PgChunkStore store(pool);
  std::vector<std::vector<float>> vectors;
  const std::string text(text_bytes, 'x');
  const auto put = [&](const crypto::Tenant& whose, int doc) {
    std::vector<ports::EventWrite> writes;
    writes.push_back(sealed_upload(whose, "document-" + std::to_string(doc), chunks_each, text,
                                   dimension, random));
    if (whose == large)
      for (const auto& chunk : writes.back().chunks) vectors.push_back(chunk.embedding());
    run_on(loop, store.store(soon(), whose, std::move(writes)));
  };
  for (int doc = 0; doc < 1'000; ++doc) {
    put(large, doc);
    if (doc % 10 == 0) put(small, doc);
  }
  return vectors;
}

/// Milliseconds of each of `calls` searches.
asio::awaitable<std::vector<double>> search_many(ports::ChunkSearch& search, crypto::Tenant owner,
                                                 int calls) {
  std::mt19937 random(2);
  std::vector<double> times;
  for (int call = 0; call < calls; ++call) {
    ports::QueryVector query{random_unit_vector(random, dimension)};
    const ports::SearchFilter everything;
    const auto start = runtime::Clock::now();
    const auto found =
        co_await search.nearest(soon(), owner, std::move(query), wanted, everything);
    times.push_back(
        std::chrono::duration<double, std::milli>(runtime::Clock::now() - start).count());
    if (found.size() != wanted) throw std::runtime_error("not 24 rows");
  }
  co_return times;
}

/// Milliseconds of each of `calls` bare scans.
std::vector<double> scan_many(const matrix::WipedArray<std::uint16_t>& rows, std::size_t count,
                              int calls) {
  const auto stride = matrix::row_stride(dimension);
  const auto& ops = matrix::best_scan_ops();
  std::mt19937 random(2);
  std::vector<double> times;
  std::vector<float> dots(4'096);
  for (int call = 0; call < calls; ++call) {
    matrix::WipedArray<float> query(stride);
    const auto values = random_unit_vector(random, dimension);
    std::copy(values.begin(), values.end(), query.data());
    const auto start = runtime::Clock::now();
    std::priority_queue<float, std::vector<float>, std::greater<>> best;
    for (std::size_t first = 0; first < count; first += dots.size()) {
      const auto some = std::min(dots.size(), count - first);
      ops.dots(rows.data() + first * stride, stride, some, query.data(), 1, dots.data(), some);
      for (std::size_t i = 0; i < some; ++i) {
        if (best.size() == wanted && dots[i] <= best.top()) continue;
        if (best.size() == wanted) best.pop();
        best.push(dots[i]);
      }
    }
    keep(best.top());
    times.push_back(
        std::chrono::duration<double, std::milli>(runtime::Clock::now() - start).count());
  }
  return times;
}

struct Series {
  std::vector<double> ours, rivals, ratios;
  void add(double one, double rival) {
    ours.push_back(one);
    rivals.push_back(rival);
    ratios.push_back(one / rival);
  }
};

Figure figure(const char* id, const Series& series, const char* rival) {
  return {id,   median(series.ours), median(series.rivals), rival, median(series.ratios),
          "ms", "lower",             runs};
}

void measure() {
  BenchDatabase database(dimension);
  BenchPool connection(database);
  auto& pool = connection.pool;
  postgres::PgChunkSearch exact(pool);
  postgres::PgMatrixStore store(pool);
  search::SearchMetrics search_metrics(connection.metrics);
  search::MatrixOptions matrix_options;
  matrix_options.load_max = std::chrono::seconds(30);
  search::MatrixSearch in_memory(exact, store, search_metrics, matrix_options);
  asio::io_context loop;
  const auto large = bench_tenant("large"), small = bench_tenant("small");
  const auto vectors = fill(loop, pool, large, small);
  database.super("VACUUM ANALYZE app.memory_chunks");

  const auto stride = matrix::row_stride(dimension);
  matrix::WipedArray<std::uint16_t> rows(vectors.size() * stride);
  for (std::size_t row = 0; row < vectors.size(); ++row)
    for (std::size_t i = 0; i < dimension; ++i)
      rows[row * stride + i] = codec::half_bits(vectors[row][i]);

  for (const auto& owner : {large, small}) run_on(loop, search_many(in_memory, owner, 3));
  if (search_metrics.loads_full.Value() != 2) throw std::runtime_error("the copies were not made");
  std::fprintf(stderr, "search_matrix: loads of 100,000 and 10,000 chunks took %.0f ms together\n",
               1'000 * search_metrics.load_s.Collect().histogram.sample_sum);
  Series bare, sql_10k, sql_100k;
  for (int run = 0; run < runs; ++run) {
    bare.add(median(run_on(loop, search_many(in_memory, large, 60))),
             median(scan_many(rows, vectors.size(), 60)));
    sql_10k.add(median(run_on(loop, search_many(in_memory, small, 100))),
                median(run_on(loop, search_many(exact, small, 40))));
    sql_100k.add(percentile(run_on(loop, search_many(in_memory, large, 60)), 0.95),
                 percentile(run_on(loop, search_many(exact, large, 20)), 0.95));
  }
  if (search_metrics.evicted_wrong.Value() != 0) throw std::runtime_error("a copy was wrong");
  print(figure("search_matrix", bare, "bare SIMD scan of the same vectors"));
  print(figure("search_matrix_10k", sql_10k, "exact plan in SQL"));
  print(figure("search_matrix_100k", sql_100k, "exact plan in SQL, p95"));
}

}  // namespace

int main() {
  if (!super_dsn_or_null()) {
    constexpr const char* why = "MEMSEAL_TEST_PG_SUPER is not set: run scripts/stack up";
    print_skipped("search_matrix", why);
    print_skipped("search_matrix_10k", why);
    print_skipped("search_matrix_100k", why);
    return 0;
  }
  measure();
}
