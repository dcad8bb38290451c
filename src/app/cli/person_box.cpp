#include "app/cli/person_box.hpp"

#include "app/cli/dead_letter_box.hpp"
#include "app/cli/operator_audit.hpp"
#include "pure/codec/hex.hpp"
#include "runtime/wall_clock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace memseal::app {

namespace {

runtime::RequestContext step_of_operator() {
  return {"tenant", runtime::Deadline::after(std::chrono::seconds(30))};
}

/// The keyring, once the database is known to be its own: with another one nothing would be found,
/// and an erasure would leave a tombstone for nobody.
crypto::Keyring checked_keyring(const Config& config) {
  if (config.postgres.dsn.empty())
    throw_failure({Errc::bad_config,
                   "postgres.dsn is not set (env " + env_name("postgres.dsn") + ")",
                   "postgres.dsn"});
  auto keyring = load_keyring(config).value();
  postgres::check_key(config.postgres.dsn, keyring.tenant_key_check(), keyring.kek_checks(),
                      keyring.kek_epoch())
      .value();
  return keyring;
}

std::unique_ptr<files::LocalFiles> files_of(const Config& config) {
  if (config.files.directory.empty()) return nullptr;
  return files::LocalFiles::open({.directory = config.files.directory}).value();
}

}  // namespace

PersonBox::PersonBox(const Config& config)
    : config_(config),
      keyring_(checked_keyring(config)),
      tenants_(keyring_.tenant_keyer()),
      ids_(keyring_.id_deriver()),
      hasher_(keyring_.file_hasher()),
      files_(files_of(config)),
      pool_(pool_options(config), pg_metrics_) {
  if (files_)
    knowledge_.emplace(knowledge::KnowledgeDeps{*files_, catalog_, keys_, hasher_, uploads_,
                                                downloads_, knowledge_metrics_});
}

crypto::Tenant PersonBox::tenant_of(const TenantOptions& options) const {
  if (options.user_hash.empty())
    return tenants_.tenant_of(UserId::parse(options.user).value());
  const auto bytes = codec::decode_hex(options.user_hash);
  UserHash hash;
  if (!bytes || bytes->size() != hash.bytes.size())
    throw_failure({Errc::bad_request, "--hash takes 64 hex digits"});
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return tenants_.tenant_of_hash(hash);
}

ports::PersonState PersonBox::look(const crypto::Tenant& who) {
  ports::PersonState state;
  const auto work = [&]() -> asio::awaitable<void> {
    state = co_await people_.look(step_of_operator(), who);
  };
  run_to_end(work());
  return state;
}

ports::Erasure PersonBox::erase(const crypto::Tenant& who) {
  // A directory that is not this database's would be left as it is, and the files would stay.
  const person::EraseDeps deps{people_, files_.get()};
  ports::Erasure erasure;
  const auto work = [&]() -> asio::awaitable<void> {
    if (knowledge_) co_await knowledge::claim_store(*knowledge_, tenants_, step_of_operator());
    erasure = co_await person::erase(deps, step_of_operator, who);
  };
  run_to_end(work());
  return erasure;
}

lifecycle::ResealReport PersonBox::reseal(const crypto::Tenant& who, lifecycle::ResealKey key,
                                          std::function<void(std::int64_t)> progress) {
  const lifecycle::ResealDeps deps{sealed_, keys_, ids_, step_of_operator, std::move(progress)};
  lifecycle::ResealReport report;
  const auto work = [&]() -> asio::awaitable<void> {
    report = co_await lifecycle::reseal_tenant(deps, who, key);
  };
  run_to_end(work());
  return report;
}

int PersonBox::audited(std::string action, const crypto::Tenant& who,
                       const std::function<int()>& work) {
  return app::audited(config_, keyring_, std::move(action), who, work);
}

void PersonBox::require_files(const crypto::Tenant& who) {
  if (!files_ && look(who).counts.files > 0)
    throw_failure({Errc::bad_config, "this user has files: set files.directory to their store",
                   "files.directory"});
}

void PersonBox::write_export(const crypto::Tenant& who, const std::string& user_id,
                             const http::LineSink& sink) {
  require_files(who);
  const http::ExportSource source{.browse = browse_,
                                  .knowledge = knowledge_ ? &*knowledge_ : nullptr,
                                  .who = who,
                                  .user_id = user_id,
                                  .now_ms = runtime::unix_ms(),
                                  .step = step_of_operator};
  run_to_end(http::export_lines(source, sink));
}

}  // namespace memseal::app
