#include "app/service/live_keyring.hpp"

#include "app/service/keys.hpp"
#include "app/service/watched_file.hpp"
#include "runtime/log.hpp"

#include <utility>

namespace memseal::app {

LiveKeyring::LiveKeyring(const Config& config, runtime::Metrics& metrics, Changed changed)
    : config_(config),
      file_(config.seal.encryption_key.empty() ? config.seal.keyring_file : std::string()),
      changed_(std::move(changed)),
      refused_(metrics.gauge("memseal_keyring_refused",
                             "1 while the keyring's file cannot be used, and what it said before "
                             "still counts.")),
      kek_(metrics.gauge("memseal_keyring_kek_epoch",
                         "Epoch of the key-encryption key that wraps new keys.")),
      stamp_(file_stamp(file_)),
      keyring_(std::make_shared<const crypto::Keyring>(load_keyring(config).value())) {
  kek_.Set(keyring_->kek_epoch());
}

std::shared_ptr<const crypto::Keyring> LiveKeyring::now() const {
  const std::lock_guard lock(mutex_);
  return keyring_;
}

std::shared_ptr<const crypto::Keyring> LiveKeyring::latest() {
  refresh(false);
  return now();
}

void LiveKeyring::refresh(bool always) {
  if (file_.empty()) return;
  const std::lock_guard lock(mutex_);
  auto seen = file_stamp(file_);
  if (!always && seen == stamp_) return;
  // Before the read, because a change during the read must be seen the next time.
  stamp_ = std::move(seen);
  auto next = load_keyring(config_);
  Result<void> usable;
  if (!next) usable = next.error();
  // Rows are named by these keys. A file of another deployment would make strangers of all users.
  if (next) usable = next->check_succeeds(*keyring_);
  refused_.Set(usable ? 0 : 1);
  if (usable) return load(std::move(*next));
  runtime::log(runtime::LogLevel::error, "service.keyring_refused",
               {{"cause", usable.error().message}});
}

void LiveKeyring::load(crypto::Keyring next) {
  keyring_ = std::make_shared<const crypto::Keyring>(std::move(next));
  kek_.Set(keyring_->kek_epoch());
  runtime::log(runtime::LogLevel::info, "service.keyring_loaded",
               {{"kek", keyring_->kek_epoch()}, {"keys", keyring_->list().size()}});
  if (changed_) changed_(*keyring_);
}

}  // namespace memseal::app
