#pragma once
#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/migration_files.hpp"
#include "adapters/postgres/migrate.hpp"

#include <pqxx/pqxx>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace memseal::postgres {

/// Ends a command with a sentence; migrate.cpp catches it.
[[noreturn]] inline void refuse(Errc code, std::string message) {
  throw_failure({code, std::move(message)});
}

/// One command on one connection. Its methods throw memseal::Failure and what libpqxx throws.
class Migrator {
 public:
  /// Reads the files and connects. `options` outlive it.
  explicit Migrator(const MigrateOptions& options);

  /// Takes the advisory lock until the end, or gives up after 2 s.
  void lock();
  /// Makes what must be there before any migration: schema memseal, which outlives them all and
  /// tells what was done, and the pgvector extension.
  void prepare();
  /// Reads what was applied.
  void load();

  /// What was applied must still read as it did, and be known.
  void check_files() const;
  /// `options.to` must be a version there is.
  void check_target() const;
  /// What the deployment brings must be what the database recorded.
  void check_fingerprint();

  std::vector<const MigrationFile*> pending() const;     ///< in their order
  std::vector<const MigrationFile*> revertible() const;   ///< newest first

  /// Each in a transaction of its own.
  void apply(const MigrationFile& file);
  void revert(const MigrationFile& file);
  /// Facts that became known after the first `up`.
  void record_fingerprint();
  void set_password();

  MigrationLine line(const MigrationFile& file) const;
  std::vector<MigrationLine> lines() const;
  int version() const { return applied_.empty() ? 0 : applied_.rbegin()->first; }
  const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  struct Applied {
    std::string name, checksum, at;
  };

  const MigrationFile* find(int version) const;
  Settings fingerprint() const {
    return fingerprint_of(options_.dimension, options_.model, options_.key_check);
  }
  std::string rendered(std::string sql) const;
  void prepare_vector();
  void record(pqxx::transaction_base& tx, int version) const;
  template <class Work>
  void in_transaction(const std::string& what, const Work& work);

  const MigrateOptions& options_;
  std::vector<MigrationFile> files_;
  pqxx::connection session_;
  std::map<int, Applied> applied_;
  std::string vector_schema_;
  std::vector<std::string> notes_;
};

}  // namespace memseal::postgres
