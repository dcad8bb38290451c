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
  const std::lock_guard looking(looking_);
  auto seen = file_stamp(file_);
  if (!always && seen == stamp_) return;
  auto next = load_keyring(config_);
  Result<void> usable;
  if (!next) usable = next.error();
  // Rows are named by these keys. A file of another deployment would make strangers of all users.
  if (next) usable = next->check_succeeds(*now());
  refused_.Set(usable ? 0 : 1);
  if (!usable) return refuse(usable.error());
  // The stamp of before the read, because a change during the read must be seen the next time.
  stamp_ = std::move(seen);
  complaint_.clear();
  take(std::move(*next));
}

// The next look reads the file again, whatever its stamp: a read may fail for a moment.
void LiveKeyring::refuse(const Error& why) {
  stamp_.clear();
  if (std::exchange(complaint_, why.message) == why.message) return;
  runtime::log(runtime::LogLevel::error, "service.keyring_refused", {{"cause", why.message}});
}

void LiveKeyring::take(crypto::Keyring next) {
  const auto keyring = std::make_shared<const crypto::Keyring>(std::move(next));
  {
    const std::lock_guard lock(mutex_);
    keyring_ = keyring;
  }
  kek_.Set(keyring->kek_epoch());
  runtime::log(runtime::LogLevel::info, "service.keyring_loaded",
               {{"kek", keyring->kek_epoch()}, {"keys", keyring->list().size()}});
  if (changed_) changed_(*keyring);
}

}  // namespace memseal::app
