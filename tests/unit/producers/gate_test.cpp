// The gate: who may write which event, and what lets nobody in.
#include "support.hpp"

namespace memseal::producers {
namespace {

using namespace testing;

constexpr std::int64_t now_ms = 1'764'326'400'000, minute_ms = 60'000, day_ms = 86'400'000;

struct GateTest : ::testing::Test {
  GateTest() {
    auto registry = std::make_shared<Registry>();
    EXPECT_TRUE(registry->add(crm(key)));
    auto gone = crm(revoked_key);
    gone.name = "gone";
    EXPECT_TRUE(registry->add(gone));
    EXPECT_TRUE(registry->revoke("gone", "", "2026-01-02T03:04:05Z"));
    gate.replace(registry);
  }

  void sign(const Signer& by, std::int64_t at_ms = now_ms, Purpose purpose = Purpose::event) {
    by.add_signature(topic, user, id, source, value, headers, purpose, at_ms);
  }
  /// What the gate says of the record as it is now.
  Verdict judge() const {
    return gate.judge({.event = {topic, user, id, source, value, headers},
                       .user = user,
                       .says_api = says_api,
                       .record_time_ms = broker_ms,
                       .has_broker_time = has_broker_time},
                      now_ms);
  }
  Verdict signed_by_crm() {
    sign(signer_of(key));
    return judge();
  }

  crypto::SigningKey key = signing_key(1), revoked_key = signing_key(2),
                     own_key = signing_key(3, crypto::SignatureAlgorithm::hmac_sha256);
  Signer own{"memseal", own_key};
  Gate gate{own_key.verifying_key(), {}};
  std::string topic = "memory.upload.v1", user = "acme:ann", id = "e-1", source = "/crm",
              value = "{}";
  Headers headers;
  bool says_api = false, has_broker_time = true;
  std::int64_t broker_ms = now_ms;
};

TEST_F(GateTest, LetsAProducerWriteWhatItMay) { EXPECT_EQ(signed_by_crm(), Verdict::accepted); }

TEST_F(GateTest, RefusesWhatIsNotSigned) {
  EXPECT_EQ(judge(), Verdict::absent);
  for (const auto* bad : {"", "v1", "v1.k.1.A", "v2.k.1.AAAA"}) {
    headers = {};
    headers.emplace_back("memseal-signature", bad);
    EXPECT_EQ(judge(), Verdict::malformed) << bad;
  }
  headers = {};
  sign(signer_of(key));
  headers.push_back(headers.front());
  EXPECT_EQ(judge(), Verdict::malformed) << "two signatures";
}

TEST_F(GateTest, RefusesASignatureThatIsLifted) {
  const auto changes = {&GateTest::topic, &GateTest::user, &GateTest::id, &GateTest::source,
                        &GateTest::value};
  for (auto changed : changes) {
    headers = {};
    sign(signer_of(key));
    (this->*changed) += "2";
    EXPECT_EQ(judge(), Verdict::not_genuine);
    (this->*changed).pop_back();
    EXPECT_EQ(judge(), Verdict::accepted);
  }
  headers.emplace_back("ce_type", "memory.delete.v1");
  EXPECT_EQ(judge(), Verdict::not_genuine);
}

TEST_F(GateTest, RefusesKeysThatAreNotAdmitted) {
  sign(signer_of(signing_key(9)));
  EXPECT_EQ(judge(), Verdict::unknown_key);
  sign(Signer(key_id_of(key.verifying_key()), signing_key(9)));
  EXPECT_EQ(judge(), Verdict::not_genuine);
  sign(Signer("memseal", signing_key(9)));
  EXPECT_EQ(judge(), Verdict::not_genuine);
  sign(signer_of(revoked_key));
  EXPECT_EQ(judge(), Verdict::revoked);
}

// What the audit log learns. Only a signature proves who it was.
TEST_F(GateTest, CountsWhatItDecidedForEachProducer) {
  const auto taken = [&] {
    std::vector<std::tuple<std::string, std::string, std::int64_t>> all;
    for (const auto& one : gate.take_admissions())
      all.emplace_back(one.producer, verdict_name(one.verdict), one.count);
    return all;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(signed_by_crm(), Verdict::accepted);
  user = "globex:eve";
  EXPECT_EQ(signed_by_crm(), Verdict::tenant);
  user = "acme:ann";
  headers = {};
  EXPECT_EQ(judge(), Verdict::absent);
  sign(Signer(key_id_of(key.verifying_key()), signing_key(9)));
  EXPECT_EQ(judge(), Verdict::not_genuine);
  sign(signer_of(revoked_key));
  EXPECT_EQ(judge(), Verdict::revoked);
  // The service's own events have records of the requests that they came by.
  headers = {};
  source = "/memseal/http";
  says_api = true;
  sign(own);
  EXPECT_EQ(judge(), Verdict::accepted);
  // By name, as the gate's map has them, and then by the order of verdicts.
  const decltype(taken()) expected{{"", "absent", 1},
                                   {"", "revoked", 1},
                                   {"", "not_genuine", 1},
                                   {"crm", "accepted", 3},
                                   {"crm", "tenant", 1}};
  EXPECT_EQ(taken(), expected);
  EXPECT_TRUE(taken().empty());
}

TEST_F(GateTest, ARevokedKeyStopsAtOnce) {
  EXPECT_EQ(signed_by_crm(), Verdict::accepted);
  gate.replace(std::make_shared<const Registry>());
  EXPECT_EQ(judge(), Verdict::unknown_key);
}

TEST_F(GateTest, KeepsAProducerToItsRights) {
  user = "globex:eve";
  EXPECT_EQ(signed_by_crm(), Verdict::tenant);
  user = "solo";
  EXPECT_EQ(signed_by_crm(), Verdict::accepted);
  user = "solo2";
  EXPECT_EQ(signed_by_crm(), Verdict::tenant);
  user = "acme:ann";
  for (const auto* foreign : {"/erp", "/memseal/http", "/memseal/cli", "/crm2", ""}) {
    source = foreign;
    EXPECT_EQ(signed_by_crm(), Verdict::source) << foreign;
  }
  source = "/crm";
  topic = "memory.chat.v1";
  EXPECT_EQ(signed_by_crm(), Verdict::topic);
  topic = "memory.upload.v1";
  says_api = true;
  EXPECT_EQ(signed_by_crm(), Verdict::source) << "only the service's own events came by HTTP";
}

TEST_F(GateTest, NoPatternCoversTheSourcesOfTheService) {
  auto registry = std::make_shared<Registry>();
  auto all = crm(key);
  all.tenants = all.sources = all.topics = {"*"};
  ASSERT_TRUE(registry->add(all));
  gate.replace(registry);
  source = "/anything";
  EXPECT_EQ(signed_by_crm(), Verdict::accepted);
  source = "/memseal/http";
  EXPECT_EQ(signed_by_crm(), Verdict::source);
}

TEST_F(GateTest, TheServiceMayWriteForEverybody) {
  source = "/memseal/http";
  user = "globex:eve";
  says_api = true;
  sign(own);
  EXPECT_EQ(judge(), Verdict::accepted);
}

TEST_F(GateTest, JudgesAgeByTheBrokersClock) {
  for (const auto& [ago_ms, verdict] :
       {std::pair<std::int64_t, Verdict>{5 * minute_ms, Verdict::accepted},
        {5 * minute_ms + 1, Verdict::old},
        {-5 * minute_ms, Verdict::accepted},
        {-5 * minute_ms - 1, Verdict::ahead}}) {
    sign(signer_of(key), now_ms - ago_ms);
    EXPECT_EQ(judge(), verdict) << ago_ms;
  }
  // An event may wait in Kafka for as long as it likes.
  broker_ms = now_ms - 100 * day_ms;
  sign(signer_of(key), broker_ms);
  EXPECT_EQ(judge(), Verdict::accepted);
}

TEST_F(GateTest, DoesNotBelieveTheTimeOfAProducer) {
  has_broker_time = false;
  broker_ms = now_ms - 8 * day_ms;  // As the forger of an old signature would set it.
  sign(signer_of(key), broker_ms);
  EXPECT_EQ(judge(), Verdict::old);
  sign(signer_of(key), now_ms - 7 * day_ms);
  EXPECT_EQ(judge(), Verdict::accepted) << "an event may wait as long as Kafka keeps it";
  sign(own, now_ms - 100 * day_ms);
  EXPECT_EQ(judge(), Verdict::accepted) << "a client was told that it is accepted";
  sign(signer_of(key), now_ms - 7 * day_ms);
  broker_ms = now_ms + day_ms;
  sign(signer_of(key), broker_ms);
  EXPECT_EQ(judge(), Verdict::ahead);
}

TEST_F(GateTest, TheServicesOwnEventsMayComeFromAWrongClock) {
  sign(own, now_ms - day_ms);
  EXPECT_EQ(judge(), Verdict::accepted);
  sign(own, now_ms - day_ms - 1);
  EXPECT_EQ(judge(), Verdict::old);
}

TEST_F(GateTest, OnlyTheServiceMarksAnEventAsReplayed) {
  headers.emplace_back("memseal-original-offset", "1");
  EXPECT_EQ(signed_by_crm(), Verdict::replay);
  sign(signer_of(key), now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::replay);
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::accepted);
  headers.emplace_back("memseal-original-partition", "3");
  EXPECT_EQ(judge(), Verdict::replay) << "added behind the service's back";
}

TEST_F(GateTest, AReplayIsAsOldAsItWasWhenItWasRefused) {
  const auto replayed = [&](std::int64_t refused_at_ms) {
    headers = {};
    sign(signer_of(key), now_ms - 30 * day_ms);
    headers.emplace_back("memseal-original-refused-at", std::to_string(refused_at_ms));
    sign(own, now_ms, Purpose::replay);
    return judge();
  };
  EXPECT_EQ(replayed(now_ms - 23 * day_ms), Verdict::accepted);
  EXPECT_EQ(replayed(now_ms - 23 * day_ms + 1), Verdict::old);
  EXPECT_EQ(replayed(now_ms - 31 * day_ms), Verdict::ahead);
  EXPECT_EQ(replayed(now_ms + 100 * day_ms), Verdict::old) << "no later than now";
  headers = {};
  sign(signer_of(key), now_ms - 30 * day_ms);
  headers.emplace_back("memseal-original-offset", "1");
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::old) << "where it does not say, it is refused now";
}

TEST_F(GateTest, KnowsTheReplaysThatTheServiceSigned) {
  const auto is_ours = [&] {
    return is_signed_replay({topic, user, id, source, value, headers}, own_key.verifying_key());
  };
  sign(signer_of(key));
  headers.emplace_back("memseal-original-offset", "1");
  EXPECT_FALSE(is_ours());
  sign(signer_of(key), now_ms, Purpose::replay);
  EXPECT_FALSE(is_ours()) << "a producer's word";
  sign(own, now_ms, Purpose::replay);
  EXPECT_TRUE(is_ours());
  headers.emplace_back("memseal-original-partition", "3");
  EXPECT_FALSE(is_ours());
}

TEST_F(GateTest, RefusesAReplayWithTwoFirstTopics) {
  sign(signer_of(key));
  headers.emplace_back("memseal-original-topic", "one");
  headers.emplace_back("memseal-original-topic", topic);
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::replay);
}

TEST_F(GateTest, AReplayVouchesForTheTimeAndForNothingElse) {
  sign(signer_of(key), now_ms - 30 * day_ms);
  EXPECT_EQ(judge(), Verdict::old);
  headers.emplace_back("memseal-original-refused-at", std::to_string(now_ms - 29 * day_ms));
  headers.emplace_back("memseal-original-topic", topic);
  const auto first_topic = std::exchange(topic, "repaired.v1");
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::accepted) << "old, and on another topic";

  topic = first_topic;
  headers = {};
  sign(signer_of(signing_key(9)), now_ms - 30 * day_ms);
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::unknown_key);
  headers = {};
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::absent);
  sign(own);
  sign(own, now_ms, Purpose::replay);
  EXPECT_EQ(judge(), Verdict::accepted) << "the service answers for the event";
}

TEST(Verdicts, EachRefusalHasAnErrorWithoutContent) {
  for (const auto verdict : verdicts) {
    EXPECT_FALSE(verdict_name(verdict).empty());
    if (verdict == Verdict::accepted) continue;
    const auto error = error_of(verdict);
    const bool is_denied =
        verdict == Verdict::topic || verdict == Verdict::source || verdict == Verdict::tenant;
    EXPECT_EQ(error.code, is_denied ? Errc::producer_denied : Errc::signature_invalid);
    EXPECT_FALSE(error.message.empty());
  }
}

}  // namespace
}  // namespace memseal::producers
