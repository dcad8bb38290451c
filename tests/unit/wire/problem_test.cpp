#include "pure/wire/problem.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <gtest/gtest.h>

#include <set>

namespace memseal::wire {
namespace {

TEST(Problem, HasARowForEveryCode) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<Errc>(i);
    const auto& row = errc_row(code);
    EXPECT_GE(row.http_status, 400) << errc_name(code);
    EXPECT_LT(row.http_status, 600) << errc_name(code);
    EXPECT_FALSE(row.title.empty());
    names.insert(errc_name(code));
    EXPECT_EQ(errc_name(code) == "internal", code == Errc::internal);
  }
  EXPECT_EQ(names.size(), errc_count) << "names tell codes apart";
}

TEST(Problem, MapsCodesToTheStatusTheContractNames) {
  const std::pair<Errc, int> table[] = {
      {Errc::bad_json, 400},
      {Errc::bad_request, 400},
      {Errc::unauthenticated, 401},
      {Errc::user_mismatch, 403},
      {Errc::not_found, 404},
      {Errc::method_not_allowed, 405},
      {Errc::not_acceptable, 406},
      {Errc::payload_too_large, 413},
      {Errc::unsupported_media_type, 415},
      {Errc::invalid_field, 422},
      {Errc::rate_limited, 429},
      {Errc::cancelled, 499},
      {Errc::internal, 500},
      {Errc::open_failed, 500},
      {Errc::unavailable, 503},
      {Errc::overloaded, 503},
      {Errc::shutting_down, 503},
      {Errc::timeout, 504},
  };
  for (const auto& [code, status] : table)
    EXPECT_EQ(errc_row(code).http_status, status) << errc_name(code);
}

TEST(Problem, CallsRetryableOnlyWhatTimeMayFix) {
  for (const auto& row : errc_table) {
    if (!row.retryable) continue;
    EXPECT_TRUE(row.http_status == 429 || row.http_status == 499 || row.http_status >= 503)
        << row.name;
  }
  EXPECT_TRUE(errc_row(Errc::rate_limited).retryable);
  EXPECT_TRUE(errc_row(Errc::unavailable).retryable);
  EXPECT_FALSE(errc_row(Errc::internal).retryable);
}

TEST(Problem, TitlesArePlain) {
  EXPECT_EQ(errc_row(Errc::not_found).title, "Not found");
  EXPECT_EQ(errc_row(Errc::unavailable).title, "A dependency is unavailable");
  EXPECT_EQ(errc_row(Errc::internal).title, "Internal error");
  EXPECT_EQ(errc_row(Errc::no_model).title, "No model is configured for this endpoint");
}

TEST(Problem, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(problem_json({Errc::invalid_field, "must not be \"blank\"", "/query"}, "r-1"),
            R"({"type":"urn:memseal:problem:invalid_field","title":"A field is not valid",)"
            R"("status":422,"detail":"must not be \"blank\"","code":"invalid_field",)"
            R"("request_id":"r-1","retryable":false,"field":"/query"})");
}

std::string shaped(const Error& error, ErrorShape shape) {
  auto problem = codec::parse_json(problem_json(error, "r"), Errc::internal)->as_object();
  add_client_error(problem, shape);
  return codec::compact_json(problem);
}

TEST(Problem, CarriesTheErrorThatTheClientsOfAServiceRead) {
  const Error error{Errc::invalid_field, "must be a string", "/input/1"};
  const auto plain = problem_json(error, "r");
  const auto beside = plain.substr(0, plain.size() - 1);
  EXPECT_EQ(shaped(error, ErrorShape::problem), plain);
  EXPECT_EQ(shaped(error, ErrorShape::openai),
            beside + R"(,"error":{"message":"input[1]: must be a string",)"
                     R"("type":"invalid_request_error","param":"input[1]",)"
                     R"("code":"invalid_field"}})");
  EXPECT_EQ(shaped(error, ErrorShape::cohere),
            beside + R"(,"message":"input[1]: must be a string"})");
  EXPECT_EQ(shaped(error, ErrorShape::tei),
            beside + R"(,"error":"input[1]: must be a string","error_type":"validation"})");
  const Error nested{Errc::invalid_field, "is missing", "/documents/0/text"};
  EXPECT_NE(shaped(nested, ErrorShape::cohere).find("\"documents[0].text: is missing\""),
            std::string::npos);
}

TEST(Problem, SortsErrorsAsTheServicesDo) {
  const auto has = [](Errc code, ErrorShape shape, const std::string& type) {
    return shaped({code, "m"}, shape).find('"' + type + '"') != std::string::npos;
  };
  EXPECT_TRUE(has(Errc::unauthenticated, ErrorShape::openai, "authentication_error"));
  EXPECT_TRUE(has(Errc::user_mismatch, ErrorShape::openai, "permission_error"));
  EXPECT_TRUE(has(Errc::rate_limited, ErrorShape::openai, "rate_limit_error"));
  EXPECT_TRUE(has(Errc::not_found, ErrorShape::openai, "invalid_request_error"));
  EXPECT_TRUE(has(Errc::unavailable, ErrorShape::openai, "server_error"));
  EXPECT_TRUE(has(Errc::rate_limited, ErrorShape::tei, "overloaded"));
  EXPECT_TRUE(has(Errc::no_model, ErrorShape::tei, "unhealthy"));
  EXPECT_TRUE(has(Errc::timeout, ErrorShape::tei, "backend"));
}

TEST(Problem, KeepsInternalsInside) {
  for (const auto code : {Errc::internal, Errc::unavailable, Errc::open_failed, Errc::key_missing,
                          Errc::not_migrated}) {
    const auto json = problem_json({code, "host db1 password hunter2", "/secret"}, "r");
    EXPECT_EQ(json.find("hunter2"), std::string::npos);
    EXPECT_EQ(json.find("/secret"), std::string::npos);
  }
}

TEST(Problem, SaysThatKafkaIsAwayAndNothingOfOtherDependencies) {
  const auto json =
      problem_json({Errc::unavailable, "try again", std::string(kafka_is_away)}, "r");
  EXPECT_NE(json.find(R"("detail":"try again")"), std::string::npos);
  EXPECT_EQ(json.find(R"("field")"), std::string::npos) << "it is none of the request";
}

TEST(Problem, LooksTheSameForWhatIsForeignAndWhatIsNot) {
  EXPECT_EQ(problem_json({Errc::not_found, "belongs to another user", "/id"}, "r"),
            problem_json({Errc::not_found, "no such row", ""}, "r"));
  EXPECT_EQ(problem_json({Errc::unauthenticated, "expired"}, "r"),
            problem_json({Errc::unauthenticated, "bad signature"}, "r"));
}

}  // namespace
}  // namespace memseal::wire
