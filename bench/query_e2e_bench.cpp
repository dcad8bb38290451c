// query_e2e: a whole query over HTTP (token, bucket, embedding, search under RLS, opening, answer)
// against the sum of its stages run alone, at 2,000 chunks of one tenant among others.
//
// Needs MEMSEAL_TEST_PG_SUPER (scripts/stack env); skips otherwise. The search order is kept: with
// no cross-encoder configured, reranking is no stage.
#include "bench.hpp"
#include "bench_database.hpp"

#include "memseal/app/service.hpp"
#include "memseal/crypto/random.hpp"
#include "memseal/crypto/token.hpp"
#include "memseal/http/client.hpp"
#include "memseal/kafka/embedded_broker.hpp"

#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

namespace memseal::bench {
namespace {

constexpr int rounds = 9, queries_per_round = 40;
constexpr const char* questions[] = {
    "When is the database backed up?", "Which tea does she like best?",
    "How do I rotate the keys of a tenant?", "What did we decide about the retention of logs?"};

/// One query by HTTP on a fresh connection; returns seconds.
double ask(const http::Url& url, const std::string& token, int number) {
  http::ClientRequest request{"POST",
                              url,
                              {{"Accept", "application/json"},
                               {"Content-Type", "application/json"},
                               {"Authorization", "Bearer " + token}},
                              std::string("{\"query\":\"") + questions[number % 4] + "\"}"};
  int status = 0;
  const auto took = seconds([&] {
    const auto answer = http::fetch(request);
    status = answer ? answer->status : 0;
  });
  if (status != 200)
    throw std::runtime_error("a query was answered with " + std::to_string(status));
  return took;
}

int measure(const std::string& owner_dsn) {
  Database database(owner_dsn, 2'000);
  kafka::EmbeddedBroker broker;
  app::Config config = database.config();
  config.kafka.brokers = broker.bootstrap();
  config.kafka.enabled = false;
  config.http.listen = "127.0.0.1:0";
  config.http.admin_listen = "off";
  config.ratelimit.requests = 1'000'000;
  config.log.level = "warn";

  auto service = app::Service::make(config);
  if (!service) {
    std::printf("{\"id\":\"query_e2e\",\"skipped\":\"%s\"}\n", service.error().message.c_str());
    return 1;
  }
  std::promise<void> ready;
  std::jthread server([&] { (*service)->run([&] { ready.set_value(); }); });
  ready.get_future().wait();
  const auto url = http::Url::parse("http://127.0.0.1:" + std::to_string((*service)->port()) +
                                    "/api/v1/memory/query");
  const auto token = database.token();

  for (int i = 0; i < queries_per_round; ++i) ask(*url, token, i);
  std::vector<double> ours, alone;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> whole, stages;
    for (int i = 0; i < queries_per_round; ++i) {
      whole.push_back(ask(*url, token, i));
      stages.push_back(database.stages_alone(questions[i % 4]));
    }
    ours.push_back(1e3 * median(whole));
    alone.push_back(1e3 * median(stages));
  }
  std::raise(SIGTERM);
  server.join();
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / alone[i]);
  print({.id = "query_e2e",
         .ours = median(ours),
         .rival = median(alone),
         .rival_name = "embed + search + open 24, each alone, p50",
         .ratio = median(ratios),
         .unit = "ms",
         .better = "lower",
         .runs = rounds * queries_per_round});
  return 0;
}

}  // namespace
}  // namespace memseal::bench

int main() {
  const char* owner = std::getenv("MEMSEAL_TEST_PG_SUPER");
  if (owner == nullptr) {
    std::puts(R"({"id":"query_e2e","skipped":"MEMSEAL_TEST_PG_SUPER is not set"})");
    return 0;
  }
  return memseal::bench::measure(owner);
}
