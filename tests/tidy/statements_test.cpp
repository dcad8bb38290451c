// Proofs about the statements of the service hold for all of them only if the list has all of them.
#include "sources.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace memseal::tidy {
namespace {

/// The statements that a source defines, and those that its `…_statements()` lists.
struct Statements {
  std::vector<std::string> defined;
  std::string listed;
};

Statements statements_of(const std::vector<std::string>& lines) {
  static const std::regex definition(R"(^(?:inline )?(?:constexpr|const) Statement (\w+)\b)");
  Statements found;
  bool listing = false;
  for (const auto& line : lines) {
    std::smatch match;
    if (std::regex_search(line, match, definition)) found.defined.push_back(match[1]);
    if (line.find("_statements() {") != std::string::npos) listing = true;
    if (listing) found.listed += line + '\n';
    if (line == "}") listing = false;
  }
  return found;
}

bool lists(const Statements& statements, const std::string& name) {
  return std::regex_search(statements.listed, std::regex("\\b" + name + "\\b"));
}

TEST(Statements, AreAllInTheListOfThoseThatVerifyProves) {
  std::size_t count = 0;
  for (const auto& source : product_sources()) {
    if (!source.is_in("adapters/postgres")) continue;
    const auto statements = statements_of(source.lines);
    count += statements.defined.size();
    for (const auto& name : statements.defined)
      EXPECT_TRUE(lists(statements, name))
          << source.path << ": list " << name << " in its …_statements()";
  }
  EXPECT_GE(count, 20u);
}

TEST(Statements, AreJoinedByTheListOfEveryFile) {
  static const std::regex definition(R"(^std::vector<Statement> (\w+_statements)\(\) \{)");
  std::string joined;
  std::vector<std::string> lists;
  for (const auto& source : product_sources()) {
    if (!source.is_in("adapters/postgres")) continue;
    if (source.path.ends_with("/shipped_statements.cpp")) {
      for (const auto& line : source.lines) joined += line + '\n';
      continue;
    }
    for (const auto& line : source.lines)
      if (std::smatch match; std::regex_search(line, match, definition)) lists.push_back(match[1]);
  }
  EXPECT_GE(lists.size(), 8u);
  for (const auto& name : lists)
    EXPECT_NE(joined.find(name + "()"), std::string::npos) << "shipped_statements() lacks " << name;
}

// What changes chunks must move the tenant's version and write the row of their document, in the
// same transaction, because copies of the vectors in memory depend on both (docs/search.md). These
// do; a file that comes to the list must have a test that says so, as in matrix_pg_test.cpp. What
// verify.cpp tries is rolled back. sealed_rows.cpp changes ciphers and nothing that a copy holds
// (reseal_pg_test.cpp), and row_rewrite.cpp no value at all (row_rewrite_pg_test.cpp).
TEST(Statements, ThatChangeChunksStandWhereTheVersionMoves) {
  const std::set<std::string> known{"chunk_rows.cpp", "deletions.cpp", "event_rows.cpp",
                                    "person_store.cpp", "row_rewrite.cpp", "sealed_rows.cpp",
                                    "verify.cpp"};
  const std::regex change(R"((INSERT INTO|DELETE FROM|UPDATE) app\.memory_chunks)");
  std::set<std::string> found;
  for (const auto& source : product_sources())
    for (const auto& line : source.lines)
      if (std::regex_search(line, change))
        found.insert(source.path.substr(source.path.rfind('/') + 1));
  EXPECT_EQ(found, known);
}

TEST(Statements, AreMissedWhereTheListLacksThem) {
  const auto statements = statements_of({"constexpr Statement one{", "constexpr Statement two[]{",
                                         "std::vector<Statement> some_statements() {",
                                         "  return {one};", "}", "use(two);"});
  EXPECT_EQ(statements.defined.size(), 2u);
  EXPECT_TRUE(lists(statements, "one"));
  EXPECT_FALSE(lists(statements, "two"));
}

}  // namespace
}  // namespace memseal::tidy
