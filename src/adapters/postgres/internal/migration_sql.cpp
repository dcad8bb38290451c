#include "adapters/postgres/internal/migration_sql.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>

namespace memseal::postgres {

namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Where the text that begins at `at` ends, if it is a comment or quoted; otherwise `at`.
std::size_t skip(std::string_view sql, std::size_t at) {
  const auto after = [&](std::string_view mark, std::size_t from) {
    const auto found = sql.find(mark, from);
    return found == std::string_view::npos ? sql.size() : found + mark.size();
  };
  const auto rest = sql.substr(at);
  if (rest.starts_with("--")) return after("\n", at);
  if (rest.starts_with("/*")) return after("*/", at + 2);
  if (rest.starts_with("'") || rest.starts_with("\"")) return after(rest.substr(0, 1), at + 1);
  // A dollar within a word is part of an identifier; in front it may open a quoted body, $$ or
  // $name$, which holds semicolons.
  if (!rest.starts_with("$") || (at > 0 && is_word(sql[at - 1]))) return at;
  std::size_t end = 1;
  while (end < rest.size() && is_word(rest[end])) ++end;
  if (end == rest.size() || rest[end] != '$') return at;
  return after(rest.substr(0, end + 1), at + end + 1);
}

bool is_comment(std::string_view sql, std::size_t at) {
  return sql.substr(at).starts_with("--") || sql.substr(at).starts_with("/*");
}

std::optional<std::smatch> match(const std::string& statement, const char* pattern) {
  std::smatch found;
  if (!std::regex_search(statement, found, std::regex(pattern, std::regex::icase)))
    return std::nullopt;
  return found;
}

bool has(const std::string& statement, const char* pattern) {
  return match(statement, pattern).has_value();
}

/// "app.a, app.b" without what may follow a list of names.
std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  static const std::regex name(R"(\s*([\w.${}]+)\s*(?:,|$| CASCADE| RESTRICT))",
                               std::regex::icase);
  for (std::sregex_iterator at(list.begin(), list.end(), name), end; at != end; ++at)
    names.push_back((*at)[1]);
  return names;
}

constexpr const char* alter_table = R"(^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w.]+) )";
constexpr const char* drop_table = R"(^DROP TABLE (?:IF EXISTS )?(.*)$)";

StatementEffect effect_of_alter(const std::string& statement, const std::string& table) {
  if (has(statement, R"( VALIDATE CONSTRAINT )"))
    return {"SHARE UPDATE EXCLUSIVE", {table}, Work::scan};
  // Storage parameters, by themselves.
  if (has(statement, R"(^ALTER TABLE (IF EXISTS )?(ONLY )?[\w.]+ (RE)?SET \([^)]*\)$)"))
    return {"SHARE UPDATE EXCLUSIVE", {table}, Work::brief};
  StatementEffect effect{"ACCESS EXCLUSIVE", {table}, Work::brief};
  const bool checks =
      has(statement, R"( (SET NOT NULL|ADD (CONSTRAINT|CHECK|FOREIGN|PRIMARY|UNIQUE))\b)");
  // NOT VALID checks new rows only; the later VALIDATE reads the old ones under a lock that lets
  // writers go on.
  if (checks && !has(statement, R"( NOT VALID$)")) effect.work = Work::scan;
  if (has(statement, R"( ADD (CONSTRAINT \w+ )?(PRIMARY KEY|UNIQUE)\b)")) effect.work = Work::index;
  if (has(statement, R"( ALTER (COLUMN )?\w+ (SET DATA )?TYPE )") ||
      has(statement, R"( SET (LOGGED|UNLOGGED|TABLESPACE)\b)") ||
      has(statement,
          R"( ADD (COLUMN )?[^,]* (GENERATED|DEFAULT [\w.]*(random|clock_timestamp|uuid)))"))
    effect.work = Work::rewrite;
  return effect;
}

}  // namespace

std::vector<std::string> split_statements(std::string_view sql) {
  std::vector<std::string> statements(1);
  for (std::size_t at = 0; at < sql.size();) {
    auto& current = statements.back();
    const auto end = skip(sql, at);
    if (end == at) {
      const char c = sql[at++];
      // Outside of quotes and bodies, which skip() has passed over, a semicolon ends a statement.
      if (c == ';') statements.emplace_back();
      else if (!is_space(c)) current += c;
      else if (!current.empty() && current.back() != ' ') current += ' ';
    } else {
      if (!is_comment(sql, at)) current += sql.substr(at, end - at);
      else if (!current.empty() && current.back() != ' ') current += ' ';
      at = end;
    }
  }
  for (auto& statement : statements)
    while (statement.ends_with(' ')) statement.pop_back();
  std::erase(statements, "");
  return statements;
}

bool StatementEffect::stops_others() const {
  // What is not understood is said to block, because the plan is read before a release.
  if (work == Work::unknown) return true;
  if (work == Work::brief) return false;
  return lock == "ACCESS EXCLUSIVE" || lock == "SHARE" || lock == "SHARE ROW EXCLUSIVE";
}

// The locks are those of PostgreSQL's chapter "Explicit Locking".
StatementEffect effect_of(const std::string& statement) {
  if (const auto found = match(statement, alter_table))
    return effect_of_alter(statement, (*found)[1]);
  if (const auto found = match(statement, drop_table))
    return {"ACCESS EXCLUSIVE", names_in((*found)[1]), Work::brief};
  // A new table whose rows refer to another table's: that one gets a trigger.
  if (const auto found = match(statement, R"(^CREATE TABLE .*? REFERENCES ([\w.]+))"))
    return {"SHARE ROW EXCLUSIVE", {(*found)[1]}, Work::brief};
  if (const auto found = match(
          statement, R"(^CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?.*?ON (?:ONLY )?([\w.]+))"))
    return {(*found)[1].matched ? "SHARE UPDATE EXCLUSIVE" : "SHARE", {(*found)[2]}, Work::index};
  if (const auto found =
          match(statement, R"(^DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?([\w.]+))"))
    return {(*found)[1].matched ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE", {(*found)[2]},
            Work::brief};
  if (const auto found = match(statement, R"(^(?:CREATE|ALTER|DROP) POLICY .*? ON ([\w.]+))"))
    return {"ACCESS EXCLUSIVE", {(*found)[1]}, Work::brief};
  if (const auto found = match(statement, R"(^CREATE (?:CONSTRAINT )?TRIGGER .*? ON ([\w.]+))"))
    return {"SHARE ROW EXCLUSIVE", {(*found)[1]}, Work::brief};
  if (const auto found = match(statement, R"(^TRUNCATE (?:TABLE )?(.*)$)"))
    return {"ACCESS EXCLUSIVE", names_in((*found)[1]), Work::brief};
  if (const auto found = match(
          statement, R"(^(?:UPDATE (?:ONLY )?|DELETE FROM (?:ONLY )?|INSERT INTO )([\w.]+))"))
    return {"ROW EXCLUSIVE", {(*found)[1]}, Work::update};
  if (has(statement, R"(^DO\b)")) return {"", {}, Work::unknown};
  return {};
}

std::vector<DataLoss> losses_of(const std::vector<std::string>& statements) {
  std::vector<DataLoss> losses;
  for (const auto& statement : statements) {
    if (const auto found = match(statement, drop_table)) {
      for (const auto& table : names_in((*found)[1])) losses.push_back({table, ""});
    } else if (const auto cleared = match(
                   statement, R"(^(?:TRUNCATE (?:TABLE )?|DELETE FROM (?:ONLY )?)([\w.]+))")) {
      losses.push_back({(*cleared)[1], ""});
    } else if (const auto altered = match(statement, alter_table)) {
      static const std::regex dropped(R"(\bDROP (?!CONSTRAINT|NOT |DEFAULT|EXPRESSION|IDENTITY))"
                                      R"((?:COLUMN )?(?:IF EXISTS )?(\w+))",
                                      std::regex::icase);
      for (std::sregex_iterator at(statement.begin(), statement.end(), dropped), end; at != end;
           ++at)
        losses.push_back({(*altered)[1], (*at)[1]});
    }
  }
  return losses;
}

}  // namespace memseal::postgres
