// The whole service over an embedded broker with faults: MEMSEAL_TEST_PG_SUPER.
#include "app/service/service.hpp"

#include "app/service/exit_code.hpp"
#include "base/ids.hpp"
#include "pure/crypto/random.hpp"
#include "support/pg.hpp"
#include "unit/kafka/faulty_broker.hpp"

#include <csignal>
#include <future>

namespace memseal {
namespace {

using namespace std::chrono_literals;

constexpr const char* model_directory = MEMSEAL_SOURCE_DIR "/.deps/models/all-MiniLM-L6-v2";

struct ServiceTest : test::PgTest {
  static std::string random_key() {
    std::uint8_t bytes[32];
    crypto::fill_random(bytes);
    return to_hex(bytes, sizeof bytes);
  }

  app::Config config(const test::TestDatabase& database) const {
    app::Config made;
    made.http.listen = "127.0.0.1:0";
    made.http.admin_listen = "off";
    made.postgres.dsn = database.app_dsn();
    made.kafka.brokers = broker.bootstrap();
    made.kafka.create_topics = false;
    made.kafka.enabled = false;
    made.embedding.model = model_directory;
    for (auto* key :
         {&made.seal.tenant_hmac_key, &made.seal.encryption_key, &made.seal.token_key})
      *key = random_key();
    return made;
  }

  kafka::FaultyBroker broker;
};

TEST_F(ServiceTest, AFatalErrorOfTheProducerEndsTheProcessWithAnExitCode) {
  test::TestDatabase database;
  ASSERT_TRUE(postgres::migrate_up(database.options()));
  broker.fail_next(kafka::Api::init_producer_id, {31 /* cluster authorization failed */});
  auto service = app::Service::make(config(database));
  ASSERT_TRUE(service) << service.error().message;
  auto ended = std::async(std::launch::async, [&] { return (*service)->run({}); });
  const bool by_itself = ended.wait_for(30s) == std::future_status::ready;
  EXPECT_TRUE(by_itself) << "the process lives on and can publish nothing";
  if (!by_itself) std::raise(SIGTERM);
  EXPECT_EQ(ended.get(), app::exit_failed);
}

}  // namespace
}  // namespace memseal
