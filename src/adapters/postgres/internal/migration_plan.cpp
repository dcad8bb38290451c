#include "adapters/postgres/internal/migration_plan.hpp"

#include <algorithm>
#include <optional>

namespace memseal::postgres {

namespace {

struct TableSize {
  double rows = 0, bytes = 0;
};

/// Nothing where there is no such table or index. An index has the size of its table.
std::optional<TableSize> size_of(pqxx::transaction_base& tx, const std::string& name) {
  const auto found = tx.exec(
      "SELECT greatest(t.reltuples, 0), pg_catalog.pg_table_size(t.oid) "
      "FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid "
      "JOIN pg_catalog.pg_class t ON t.oid = coalesce(i.indrelid, c.oid) "
      "WHERE c.oid = to_regclass($1)",
      pqxx::params{name});
  if (found.empty()) return std::nullopt;
  return TableSize{found[0][0].as<double>(), found[0][1].as<double>()};
}

// Rates of one slow core and a slow disk, so that an estimate is rather too long than too short.
double seconds_of(Work work, const TableSize& size) {
  switch (work) {
    case Work::scan: return size.rows * 0.5e-6 + size.bytes / 300e6;
    case Work::index: return size.rows * 4e-6 + size.bytes / 150e6;
    case Work::update: return size.rows * 40e-6;
    case Work::rewrite: return size.rows * 8e-6 + size.bytes / 40e6;
    default: return 0;
  }
}

/// Counts, or takes the planner's estimate where row-level security binds the role.
LostData count_one(pqxx::connection& session, const DataLoss& loss) {
  LostData lost{loss.table, loss.column, 0, false};
  try {
    pqxx::read_transaction tx(session);
    tx.exec("SET LOCAL row_security = off");
    const auto counted = loss.column.empty() ? std::string("*") : loss.column;
    lost.count = tx.exec("SELECT count(" + counted + ") FROM " + loss.table)
                     .one_field()
                     .as<std::int64_t>();
  } catch (const pqxx::sql_error&) {
    pqxx::read_transaction tx(session);
    // A table that nobody has analysed may hold anything.
    lost.count = static_cast<std::int64_t>(
        size_of(tx, loss.table).value_or(TableSize{}).rows);
    const auto used = tx.exec("SELECT pg_catalog.pg_relation_size(to_regclass($1)) > 0",
                              pqxx::params{loss.table});
    if (used.one_field().as<bool>()) lost.count = std::max<std::int64_t>(lost.count, 1);
    lost.estimated = true;
  }
  return lost;
}

}  // namespace

void plan_statements(pqxx::transaction_base& tx, const std::string& sql, MigrationLine& line) {
  const bool is_new =
      tx.exec("SELECT to_regnamespace('app') IS NULL").one_field().as<bool>();
  for (const auto& statement : split_statements(sql)) {
    const auto effect = effect_of(statement);
    PlannedStatement planned{statement, "", "", false, 0};
    for (const auto& table : effect.tables) {
      const auto size = size_of(tx, table);
      if (!size) continue;  // made by this migration, so nobody waits for it
      planned.lock = effect.lock;
      planned.tables += (planned.tables.empty() ? "" : ", ") + table;
      planned.seconds += seconds_of(effect.work, *size);
      planned.stops_others = effect.stops_others();
    }
    // Before the first migration nobody uses the database.
    if (effect.work == Work::unknown) planned.stops_others = !is_new;
    line.online = line.online && !planned.stops_others;
    line.seconds += planned.seconds;
    line.statements.push_back(std::move(planned));
  }
}

std::vector<LostData> count_lost(pqxx::connection& session, const std::vector<DataLoss>& losses) {
  std::vector<LostData> lost;
  for (const auto& loss : losses) {
    {
      pqxx::read_transaction tx(session);
      const auto there = tx.exec(
          "SELECT to_regclass($1) IS NOT NULL AND ($2 = '' OR EXISTS (SELECT FROM "
          "pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 "
          "AND NOT attisdropped))",
          pqxx::params{loss.table, loss.column});
      if (!there.one_field().as<bool>()) continue;
    }
    auto counted = count_one(session, loss);
    if (counted.count > 0) lost.push_back(std::move(counted));
  }
  return lost;
}

std::string describe(const std::vector<LostData>& lost) {
  std::string text;
  for (const auto& one : lost)
    text += (text.empty() ? "" : ", ") + std::string(one.estimated ? "about " : "") +
            std::to_string(one.count) +
            (one.column.empty() ? " rows of " + one.table
                                : " values of " + one.table + "." + one.column);
  return text;
}

}  // namespace memseal::postgres
