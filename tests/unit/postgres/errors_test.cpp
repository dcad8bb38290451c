#include "adapters/postgres/internal/errors.hpp"

#include "adapters/postgres/internal/fingerprint.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace memseal::postgres {
namespace {

TEST(FailureOf, TellsOutagesFromBugsBySqlstate) {
  const std::pair<const char*, Errc> cases[]{
      {"", Errc::unavailable},      {"08006", Errc::unavailable}, {"57P01", Errc::unavailable},
      {"53300", Errc::unavailable}, {"40P01", Errc::unavailable}, {"40001", Errc::unavailable},
      {"55P03", Errc::unavailable}, {"57014", Errc::timeout},     {"42P01", Errc::not_migrated},
      {"42501", Errc::bad_config},    {"23505", Errc::internal},    {"22P02", Errc::internal}};
  for (const auto& [state, code] : cases) EXPECT_EQ(failure_of(state).error.code, code) << state;
}

TEST(FailureOf, KnowsWhenTheConnectionIsGoodForMore) {
  for (const char* state : {"57014", "40P01", "42501", "23505", "53200"}) {
    EXPECT_FALSE(failure_of(state).connection_in_doubt) << state;
  }
  for (const char* state : {"", "08006", "57P01", "25P03"}) {
    EXPECT_TRUE(failure_of(state).connection_in_doubt) << state;
    EXPECT_TRUE(failure_of(state).connection_lost) << state;
  }
}

TEST(FailureOf, CountsRowSecurityAlone) {
  EXPECT_TRUE(failure_of("42501").rls);
  EXPECT_FALSE(failure_of("42P01").rls);
  EXPECT_TRUE(failure_of(pqxx::insufficient_privilege("refused")).rls)
      << "libpqxx leaves the SQLSTATE of this one empty";
}

TEST(FailureOf, NeverRepeatsTheServersText) {
  const pqxx::sql_error thrown("duplicate key value (doc_id)=(my secret)", "INSERT", "23505");
  const auto failure = failure_of(thrown);
  EXPECT_EQ(failure.error.message, "database: a statement failed (SQLSTATE 23505)");
  EXPECT_EQ(failure_of(pqxx::broken_connection("secret")).error.message,
            "database: the connection was lost");
}

TEST(CompareFacts, ForgivesWhatOneSideDoesNotKnow) {
  EXPECT_TRUE(compare_fingerprints({}, fingerprint_of(384, "m", KeyCheck{})));
  EXPECT_TRUE(
      compare_fingerprints(fingerprint_of(384, "m", KeyCheck{}), fingerprint_of(384, "", {})));
}

TEST(CompareFacts, NamesWhatDiffers) {
  const auto recorded = fingerprint_of(384, "m", KeyCheck{1});
  EXPECT_EQ(compare_fingerprints(recorded, fingerprint_of(768, "m", KeyCheck{1})).error().code,
            Errc::dimension_mismatch);
  EXPECT_EQ(compare_fingerprints(recorded, fingerprint_of(384, "n", KeyCheck{1})).error().code,
            Errc::dimension_mismatch);
  const auto key = compare_fingerprints(recorded, fingerprint_of(384, "m", KeyCheck{2}));
  EXPECT_EQ(key.error().code, Errc::key_invalid);
  EXPECT_NE(
      key.error().message.find("the tenant key is not the one this database was written with"),
      std::string::npos);
}

}  // namespace
}  // namespace memseal::postgres
