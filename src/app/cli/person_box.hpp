#pragma once
// What is stored of a user, as an operator's command reaches it: with the keyring and the database,
// without the running service.
#include "adapters/files/local_files.hpp"
#include "adapters/postgres/sealed_rows.hpp"
#include "app/cli/commands.hpp"
#include "app/service/wiring.hpp"
#include "cases/knowledge/files.hpp"
#include "cases/lifecycle/reseal.hpp"
#include "cases/person/erase.hpp"
#include "cases/query/browse.hpp"
#include "http/routes/export_lines.hpp"
#include "pure/crypto/keyring.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace memseal::app {

/// Thread: one. Lifetime: the configuration outlives it. Its references are to members, so it stays
/// where it was made.
class PersonBox {
 public:
  /// Throws Failure when the keyring or the file store cannot be opened, or the database is another
  /// keyring's.
  explicit PersonBox(const Config& config);
  ~PersonBox() { cpu_.join(); }
  PersonBox(const PersonBox&) = delete;
  PersonBox& operator=(const PersonBox&) = delete;

  /// The tenant whom the options name. Throws Failure.
  crypto::Tenant tenant_of(const TenantOptions& options) const;
  ports::PersonState look(const crypto::Tenant& who);
  ports::Erasure erase(const crypto::Tenant& who);
  /// Sends the lines of an export. Throws Refused{bad_config} where there are files and no store of
  /// files is set.
  void write_export(const crypto::Tenant& who, const std::string& user_id,
                    const http::LineSink& sink);
  /// Seals the texts of a user again. `progress` is told how many chunks are done.
  lifecycle::ResealReport reseal(const crypto::Tenant& who, lifecycle::ResealKey key,
                                 std::function<void(std::int64_t)> progress);
  /// app::audited(), with the keys and the database of this box.
  int audited(std::string action, const crypto::Tenant& who, const std::function<int()>& work);
  crypto::SigningKey receipt_key() const { return keyring_.receipt_key(); }

 private:
  void require_files(const crypto::Tenant& who);

  const Config& config_;
  const crypto::Keyring keyring_;
  const crypto::TenantKeyer tenants_;
  const crypto::IdDeriver ids_;
  const crypto::FileHasher hasher_;
  runtime::Metrics metrics_;
  postgres::PostgresMetrics pg_metrics_{metrics_};
  query::QueryMetrics query_metrics_{metrics_};
  lifecycle::KeyMetrics key_metrics_{metrics_};
  knowledge::KnowledgeMetrics knowledge_metrics_{metrics_};
  const std::unique_ptr<files::LocalFiles> files_;  ///< null: files.directory is not set
  postgres::Pool pool_;
  postgres::PgKeyStore rows_{pool_};
  lifecycle::CachedTenantKeys keys_{rows_, keyring_, key_metrics_};
  postgres::PgPersonStore people_{pool_};
  postgres::PgSealedRows sealed_{pool_};
  postgres::PgStoredMemory memory_{pool_};
  postgres::PgFileCatalog catalog_{pool_};
  knowledge::Transfers uploads_, downloads_;
  std::optional<knowledge::KnowledgeDeps> knowledge_;
  boost::asio::thread_pool cpu_{1};
  const query::BrowseDeps browse_{memory_, keys_, ids_, cpu_, query_metrics_};
};

}  // namespace memseal::app
