// query_e2e: median time of a whole query over HTTP (framing check, token, bucket, embedding,
// search under RLS, opening of 24 seals, JSON answer) on a connection that stays open, against the
// sum of its stages run alone, one after the other. One tenant's 2,000 chunks lie among those of
// others. query_rerank: the 95th percentile of the same with a cross-encoder of TinyBERT-L2's shape
// over 24 passages of about 220 tokens. Its weights are random, because they cost what trained ones
// cost. audit: the first with the audit log, against a service on the same data without it.
#include "support/model_files.hpp"
#include "adapters/kafka/embedded_broker.hpp"
#include "adapters/model/factory.hpp"
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/key_store.hpp"
#include "app/service/service.hpp"
#include "bench.hpp"
#include "cases/lifecycle/tenant_keys.hpp"
#include "pg_bench.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/log.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <csignal>
#include <ctime>
#include <future>
#include <thread>

namespace {

using namespace memseal;
using namespace memseal::bench;
using asio::ip::tcp;

constexpr std::size_t dimension = 384, words_each = 200;
constexpr int documents = 40, chunks_each = 50, others = 10;
constexpr int rounds = 9, queries = 40;
constexpr const char* model_directory = ".deps/models/all-MiniLM-L6-v2";
constexpr const char* questions[]{
    "When is the database backed up?", "Which tea does she like best?",
    "How do I rotate the keys of a tenant?", "What did we decide about the retention of logs?"};

runtime::RequestContext soon() {
  return {"bench", runtime::Deadline::after(std::chrono::seconds(30))};
}

/// A service's configuration, and the keys that it names.
struct Setup {
  BenchDatabase database{dimension};
  kafka::EmbeddedBroker broker;  // /index would publish there
  app::Config config;
  crypto::Keyring keyring;

  Setup() : keyring(make_keyring()) {
    config.http.listen = "127.0.0.1:0";
    config.http.admin_listen = "off";
    config.postgres.dsn = database.app_dsn();
    config.kafka.brokers = broker.bootstrap();
    config.kafka.create_topics = false;
    config.kafka.enabled = false;
    config.ratelimit.query_requests = 100'000'000;
    config.ratelimit.query_tokens = 1'000'000'000;
    config.embedding.model = model_directory;
    config.log.level = "error";
  }

 private:
  crypto::Keyring make_keyring() {
    auto& seal = config.seal;
    for (auto* key : {&seal.tenant_hmac_key, &seal.encryption_key, &seal.token_key}) {
      std::uint8_t bytes[32];
      crypto::fill_random(bytes);
      *key = to_hex(bytes, sizeof bytes);
    }
    return crypto::Keyring::from_keys(seal.tenant_hmac_key, seal.encryption_key, seal.token_key)
        .value();
  }
};

/// One connection for all requests.
class Client {
 public:
  Client(std::uint16_t port, std::string token) : token_(std::move(token)) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    socket_.set_option(tcp::no_delay(true));
  }
  void ask(const std::string& question) {
    const auto body = R"({"query":")" + question + R"("})";
    const auto request =
        "POST /api/v1/memory/query HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nAuthorization: Bearer " + token_ +
        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::write(socket_, asio::buffer(request));
    read_answer();
  }

 private:
  void read_answer() {
    std::size_t have = 0, need = 1;
    while (have < need) {
      have += socket_.read_some(asio::buffer(bytes_.data() + have, bytes_.size() - have));
      const std::string_view text(bytes_.data(), have);
      const auto head = text.find("\r\n\r\n");
      need = have + 1;
      if (head == text.npos) continue;
      if (!text.starts_with("HTTP/1.1 200"))
        throw std::runtime_error("a query was answered with " + std::string(text.substr(0, 400)));
      need = head + 4 + std::strtoul(text.data() + text.find("Content-Length: ") + 16, nullptr, 10);
    }
  }

  asio::io_context loop_;
  tcp::socket socket_{loop_};
  std::string token_;
  std::vector<char> bytes_ = std::vector<char>(1 << 20);
};

/// Whole words of the embedder's vocabulary.
std::string passage_text(std::mt19937& random) {
  std::ifstream file(std::string(model_directory) + "/vocab.txt");
  std::vector<std::string> words;
  for (std::string line; std::getline(file, line);)
    if (line.size() > 2 && line.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == line.npos)
      words.push_back(line);
  std::string text;
  for (std::size_t i = 0; i < words_each; ++i) text += words[random() % words.size()] + " ";
  return text;
}

/// The stages without the service around them.
class Stages {
 public:
  explicit Stages(const Setup& setup) : keyring_(setup.keyring) {
    if (!setup.config.rerank.model.empty())
      reranker_ = model::open_reranker(setup.config.rerank.model, cpu_).value();
    postgres::PoolOptions options;
    options.dsn = setup.database.app_dsn();
    options.connections = 1;
    pool_.emplace(options, counts_);
    search_.emplace(*pool_);
    key_store_.emplace(*pool_);
    keys_.emplace(*key_store_, keyring_, key_metrics_);
  }
  ~Stages() { cpu_.join(); }

  crypto::Tenant tenant(const std::string& user) const {
    return keyring_.tenant_keyer().tenant_of(UserId::parse(user).value());
  }
  /// Documents of all tenants; the first tenant has `documents`.
  void fill() {
    std::mt19937 random(1);
    const auto text = passage_text(random);
    postgres::PgChunkStore store(*pool_);
    for (int number = 0; number <= others; ++number) {
      const auto owner = tenant("user-" + std::to_string(number));
      const auto key = run_on(loop_, keys_->sealing_key(soon(), owner));
      for (int doc = 0; doc < (number == 0 ? documents : documents / others); ++doc) {
        std::vector<ports::EventWrite> writes;
        writes.push_back(sealed_upload(owner, "document-" + std::to_string(doc), chunks_each,
                                       text, dimension, random, *key));
        run_on(loop_, store.store(soon(), owner, std::move(writes)));
      }
    }
  }
  void ask(const std::string& question) { run_on(loop_, answer(tenant("user-0"), question)); }

 private:
  asio::awaitable<std::size_t> answer(crypto::Tenant owner, std::string question) {
    auto vector = co_await embedder_->embed_query(soon(), question);
    const ports::SearchFilter everything;
    auto found = co_await search_->nearest(soon(), owner, std::move(vector), 24, everything);
    std::vector<std::string> texts;
    for (auto& candidate : found) {
      const auto key = co_await keys_->opening_key(soon(), owner, 1);
      const auto passage = crypto::Sealer::open(owner, *key, std::move(candidate));
      if (passage) texts.push_back(passage->text());
    }
    if (texts.size() != 24) throw std::runtime_error("not 24 passages");
    if (reranker_ == nullptr) co_return texts.size();
    const auto scores = co_await reranker_->score(soon(), std::move(question), std::move(texts));
    co_return scores.size();
  }

  asio::io_context loop_{1};
  model::ModelPool cpu_{std::max(1u, std::thread::hardware_concurrency())};  // as the service's
  std::unique_ptr<model::GpuEmbedder> embedder_ =
      model::open_embedder(model_directory, cpu_).value();
  std::unique_ptr<model::GpuReranker> reranker_;
  runtime::Metrics metrics_;
  postgres::PostgresMetrics counts_{metrics_};
  const crypto::Keyring& keyring_;
  std::optional<postgres::Pool> pool_;
  std::optional<postgres::PgChunkSearch> search_;
  lifecycle::KeyMetrics key_metrics_{metrics_};
  std::optional<postgres::PgKeyStore> key_store_;
  std::optional<lifecycle::CachedTenantKeys> keys_;
};

struct Times {
  std::vector<double> whole_ms, alone_ms;
};

/// A service that answers until SIGTERM.
class Running {
 public:
  explicit Running(const app::Config& config) : service_(app::Service::make(config).value()) {
    std::promise<void> ready;
    server_ = std::thread([&] { service_->run([&] { ready.set_value(); }); });
    ready.get_future().wait();
  }
  ~Running() { server_.join(); }
  std::uint16_t port() const { return service_->port(); }

 private:
  std::unique_ptr<app::Service> service_;
  std::thread server_;
};

/// One Times for each round: what `first` and `second` take, by turns.
template <class First, class Second>
std::vector<Times> by_turns(First first, Second second) {
  std::vector<Times> all;
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    Times times;
    for (int i = 0; i < queries; ++i) {
      const std::string question = questions[i % std::size(questions)];
      times.whole_ms.push_back(1e3 * seconds([&] { first(question); }));
      times.alone_ms.push_back(1e3 * seconds([&] { second(question); }));
    }
    if (round >= 0) all.push_back(std::move(times));
  }
  return all;
}

Client client_of(const Setup& setup, std::uint16_t port) {
  return {port, crypto::mint_hs256(setup.keyring.token_key(), UserId::parse("user-0").value(),
                                   std::time(nullptr), 3'600)};
}

std::vector<Times> measure_audit(Setup& setup) {
  setup.config.audit.records = "all";
  const Running audited(setup.config);
  setup.config.audit.records = "none";
  const Running unaudited(setup.config);
  Stages stages(setup);
  stages.fill();
  setup.database.super("VACUUM ANALYZE app.memory_chunks");
  auto with = client_of(setup, audited.port()), without = client_of(setup, unaudited.port());
  auto all = by_turns([&](const std::string& question) { with.ask(question); },
                      [&](const std::string& question) { without.ask(question); });
  std::raise(SIGTERM);  // Both end.
  return all;
}

std::vector<Times> measure(const Setup& setup) {
  const Running service(setup.config);
  Stages stages(setup);
  stages.fill();
  setup.database.super("VACUUM ANALYZE app.memory_chunks");
  auto client = client_of(setup, service.port());
  auto all = by_turns([&](const std::string& question) { client.ask(question); },
                      [&](const std::string& question) { stages.ask(question); });
  std::raise(SIGTERM);
  return all;
}

template <class Statistic>
void report(const char* id, const char* rival_name, const std::vector<Times>& all,
            Statistic statistic) {
  std::vector<double> ours, rivals, ratios;
  for (const auto& times : all) {
    ours.push_back(statistic(times.whole_ms));
    rivals.push_back(statistic(times.alone_ms));
    ratios.push_back(ours.back() / rivals.back());
  }
  print({id, median(ours), median(rivals), rival_name, median(ratios), "ms", "lower",
         rounds * queries});
}

void write_cross_encoder(const std::filesystem::path& directory) {
  namespace files = model::testing;
  files::write_model(directory, {.architecture = model::Architecture::cross_encoder,
                                 .hidden = 128, .layers = 2, .heads = 2, .intermediate = 512,
                                 .rows = 30'522});
  std::filesystem::copy_file(std::string(model_directory) + "/vocab.txt", directory / "vocab.txt",
                             std::filesystem::copy_options::overwrite_existing);
}

void measure_all() {
  {
    const Setup setup;
    report("query_e2e", "embed + search + open, each alone", measure(setup), median);
  }
  {
    Setup setup;
    report("audit", "the same without the audit log", measure_audit(setup), median);
  }
  ScratchDirectory scratch;
  write_cross_encoder(scratch.path() / "tinybert");
  Setup setup;
  setup.config.rerank.model = scratch.path() / "tinybert";
  report("query_rerank", "embed + search + open + rerank, each alone, p95", measure(setup),
         [](const std::vector<double>& values) { return percentile(values, 0.95); });
}

}  // namespace

int main() {
  std::filesystem::current_path(MEMSEAL_SOURCE_DIR);
  if (!super_dsn_or_null()) {
    print_skipped("query_e2e", "MEMSEAL_TEST_PG_SUPER is not set: run scripts/stack up");
    return 0;
  }
  if (!std::filesystem::is_regular_file(std::string(model_directory) + "/model.safetensors")) {
    print_skipped("query_e2e", "no model: run scripts/deps");
    return 0;
  }
  measure_all();
}
