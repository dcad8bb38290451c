#include "adapters/postgres/internal/errors.hpp"

#include "adapters/postgres/internal/fingerprint.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

namespace memseal::postgres {
namespace {

TEST(FailureOf, TellsOutagesFromBugsBySqlstate) {
  const std::pair<const char*, Errc> cases[]{
      {"", Errc::unavailable},       {"08006", Errc::unavailable},  {"57P01", Errc::unavailable},
      {"25006", Errc::unavailable},  {"26000", Errc::unavailable},  {"0A000", Errc::unavailable},
      {"58030", Errc::unavailable},  {"XX001", Errc::unavailable},  {"42P05", Errc::unavailable},
      {"53300", Errc::overloaded},   {"40P01", Errc::overloaded},   {"40001", Errc::overloaded},
      {"55P03", Errc::overloaded},   {"23505", Errc::overloaded},   {"57014", Errc::timeout},
      {"42P01", Errc::not_migrated}, {"42704", Errc::not_migrated}, {"42501", Errc::bad_config},
      {"28P01", Errc::bad_config},   {"3D000", Errc::bad_config},   {"22P02", Errc::internal},
      {"22003", Errc::internal},     {"23514", Errc::internal},     {"23502", Errc::internal}};
  for (const auto& [state, code] : cases) EXPECT_EQ(failure_of(state).error.code, code) << state;
}

// pgvector says "expected 384 dimensions": the column or the model is wrong, no event is.
TEST(FailureOf, BlamesNoEventForAVectorOfAnotherLength) {
  EXPECT_EQ(failure_of("22000").error.code, Errc::dimension_mismatch);
  EXPECT_TRUE(errc_row(Errc::dimension_mismatch).setup());
}

// Errc::internal is what may blame an event.
TEST(FailureOf, BlamesAnEventForTwoClassesOnly) {
  const std::string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char first : digits)
    for (const char second : digits) {
      const auto state = std::string{first, second} + "001";
      const bool named = state == "22001" || state == "23001";
      EXPECT_EQ(failure_of(state).error.code == Errc::internal, named) << state;
    }
}

TEST(FailureOf, ClosesASessionThatIsAtFaultOrUnknown) {
  for (const char* state : {"25006", "25P02", "26000", "42P05", "0A000", "XX000", "58030"}) {
    EXPECT_TRUE(failure_of(state).connection_in_doubt) << state;
    EXPECT_FALSE(failure_of(state).connection_lost) << state;
  }
}

TEST(ConnectFailure, TellsWhatAnOperatorMustFixFromWhatPasses) {
  const std::pair<const char*, Errc> cases[]{
      {"connection to server at \"::1\", port 5432 failed: FATAL:  password authentication failed "
       "for user \"app_user\"",
       Errc::bad_config},
      {"FATAL:  no pg_hba.conf entry for host \"10.0.0.1\", user \"app_user\"", Errc::bad_config},
      {"FATAL:  role \"app_user\" does not exist", Errc::bad_config},
      {"FATAL:  database \"memory\" does not exist", Errc::bad_config},
      {"fe_sendauth: no password supplied", Errc::bad_config},
      {"connection to server on socket \"/run/.s.PGSQL.5432\" failed: No such file or directory\n"
       "\tIs the server running locally and accepting connections on that socket?",
       Errc::unavailable},
      {"FATAL:  the database system is starting up", Errc::unavailable},
      {"connection to server failed: session is read-only", Errc::unavailable}};
  for (const auto& [message, code] : cases)
    EXPECT_EQ(connect_failure(message).code, code) << message;
  EXPECT_EQ(connect_failure("one\ntwo").message, "database: cannot connect: one");
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
  EXPECT_EQ(failure.error.message,
            "database: another transaction wrote the same row (SQLSTATE 23505)");
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
