#pragma once
// What the statements of a migration do, told from their text: for `migrate plan`, and for `down`,
// which must not lose data unasked. NOTE: knows the statements that migrations use, not all of SQL.
#include <string>
#include <string_view>
#include <vector>

namespace memseal::postgres {

/// The statements of a script, without comments and without their semicolons. Semicolons in quotes
/// and in dollar quotes separate nothing. White space outside of quotes becomes one space.
std::vector<std::string> split_statements(std::string_view sql);

/// How long a statement holds its lock.
enum class Work {
  brief,     ///< changes the catalog alone
  scan,      ///< reads every row
  index,     ///< builds an index over every row
  update,    ///< writes rows
  rewrite,   ///< writes the whole table again
  unknown,   ///< a block of code: nobody knows before it runs
};

struct StatementEffect {
  std::string lock;                 ///< as PostgreSQL names it: "ACCESS EXCLUSIVE"; empty: none
  std::vector<std::string> tables;  ///< that are locked, or whose index is: "app.documents"
  Work work = Work::brief;

  /// Whether readers or writers of the table wait while every row is worked on.
  bool stops_others() const;
};

StatementEffect effect_of(const std::string& statement);

/// Data that a script deletes: a column, or (column empty) whole rows.
struct DataLoss {
  std::string table, column;
};

std::vector<DataLoss> losses_of(const std::vector<std::string>& statements);

}  // namespace memseal::postgres
