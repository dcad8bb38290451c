#pragma once
#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/migration_files.hpp"
#include "adapters/postgres/migrate.hpp"

#include <pqxx/pqxx>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace memseal::postgres {

/// Ends a command with a sentence; migrate.cpp catches it.
[[noreturn]] inline void refuse(Errc code, std::string message) {
  throw_failure({code, std::move(message)});
}

/// One migration command on one connection. Its methods throw memseal::Failure and what libpqxx
/// throws.
class Migrator {
 public:
  /// Reads the files and connects. Lifetime: `options` outlive it.
  explicit Migrator(const MigrateOptions& options);

  /// Takes the advisory lock for the lifetime of the connection; fails after 2 s.
  void lock();
  /// Creates what every migration needs: schema memseal, which records the migrations and is never
  /// reverted, and the pgvector extension.
  void prepare();
  /// Reads which migrations were applied.
  void load();

  /// Every applied migration must have its file, unchanged.
  void check_files() const;
  /// `options.to` must be an existing version.
  void check_target() const;
  /// The deployment's fingerprint must be the one that the database recorded.
  void check_fingerprint();

  std::vector<const MigrationFile*> pending() const;     ///< in their order
  std::vector<const MigrationFile*> revertible() const;  ///< newest first

  /// Each runs in a transaction of its own, and returns the seconds that it took.
  double apply(const MigrationFile& file);
  double revert(const MigrationFile& file);
  /// What apply() would do, statement by statement.
  MigrationLine plan(const MigrationFile& file);
  /// What reverting `files` would delete.
  std::vector<LostData> lost_by(const std::vector<const MigrationFile*>& files);
  /// Records what the first `up` did not know yet, such as the model.
  void record_fingerprint();
  /// Throws Refused{not_isolated} when the catalog lint finds a mistake.
  void check_isolation();
  void set_password();

  MigrationLine line(const MigrationFile& file) const;
  std::vector<MigrationLine> lines() const;
  int version() const { return applied_.empty() ? 0 : applied_.rbegin()->first; }
  int newest_file() const { return static_cast<int>(files_.size()); }
  int server_version() const { return session_.server_version(); }  ///< 150014
  /// The schema of the pgvector extension, quoted. REQUIRES: prepare().
  const std::string& vector_schema() const noexcept { return vector_schema_; }
  /// Runs `work` in a transaction of its own; `what` begins the sentence about a failure.
  void run(const std::string& what, const std::function<void(pqxx::work&)>& work);
  /// Adds a note where a migration among `done` leaves work to `memseal migrate rewrite`.
  void note_rewrite(const std::vector<MigrationLine>& done);
  const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  struct Applied {
    std::string name, checksum, at;
  };

  const MigrationFile* find(int version) const;
  Settings fingerprint() const {
    return fingerprint_of(options_.dimension, options_.model, options_.key_check,
                          options_.kek_checks);
  }
  std::string rendered(std::string sql) const;
  void prepare_vector();
  void check(pqxx::transaction_base& tx, const MigrationFile* file) const;
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
