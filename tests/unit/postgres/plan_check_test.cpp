#include "adapters/postgres/internal/plan_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::postgres {
namespace {

std::string plan(const std::string& node) { return R"([{"Plan": )" + node + "}]"; }

TEST(PlanCheck, AcceptsScansThatTheTenantBounds) {
  const char* bounded[]{
      R"x({"Node Type": "Index Scan", "Relation Name": "documents", "Index Name": "i",
          "Index Cond": "((user_hash)::text = ($0)::text)"})x",
      R"x({"Node Type": "Index Only Scan", "Relation Name": "documents", "Index Name": "i",
          "Index Cond": "((d.user_hash = $1) AND (d.doc_id = p.doc_id))"})x",
      R"x({"Node Type": "ModifyTable", "Relation Name": "tenants", "Plans": [
          {"Node Type": "Result"}]})x",
      R"x({"Node Type": "Bitmap Heap Scan", "Relation Name": "documents", "Plans": [
          {"Node Type": "Bitmap Index Scan", "Index Name": "i",
           "Index Cond": "((user_hash)::text = ($0)::text)"}]})x",
      R"x({"Node Type": "Tid Scan", "Relation Name": "memory_chunks",
          "Filter": "((user_hash)::text = ($1)::text)"})x",
      R"x({"Node Type": "Seq Scan", "Relation Name": "settings"})x"};
  for (const auto* node : bounded) EXPECT_EQ(check_plan(plan(node)).unbounded, "") << node;
}

TEST(PlanCheck, RefusesEveryOtherScan) {
  const char* unbounded[]{
      R"x({"Node Type": "Seq Scan", "Relation Name": "documents"})x",
      R"x({"Node Type": "Seq Scan", "Relation Name": "hidden", "Filter": "(user_hash = $0)"})x",
      R"x({"Node Type": "Index Scan", "Relation Name": "documents", "Index Name": "i"})x",
      R"x({"Node Type": "Index Scan", "Relation Name": "documents", "Index Name": "i",
          "Index Cond": "(user_hash IS NOT NULL)"})x",
      R"x({"Node Type": "Index Scan", "Relation Name": "documents", "Index Name": "i",
          "Index Cond": "((user_hash)::text >= ($0)::text)"})x",
      R"x({"Node Type": "Bitmap Heap Scan", "Relation Name": "documents", "Plans": [
          {"Node Type": "Bitmap Index Scan", "Index Name": "i", "Index Cond": "(doc_id = $1)"}]})x",
      R"x({"Node Type": "Tid Scan", "Relation Name": "memory_chunks"})x",
      R"x({"Node Type": "Limit", "Plans": [{"Node Type": "Sort", "Plans": [
          {"Node Type": "Seq Scan", "Relation Name": "memory_chunks"}]}]})x"};
  for (const auto* node : unbounded) EXPECT_NE(check_plan(plan(node)).unbounded, "") << node;
  for (const auto* text : {"", "[]", "{}", "[1]", R"([{"Plan": 1}])", "no JSON"})
    EXPECT_EQ(check_plan(text).unbounded, "the plan cannot be read") << text;
}

}  // namespace
}  // namespace memseal::postgres
