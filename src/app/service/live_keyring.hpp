#pragma once
#include "app/config/config.hpp"
#include "ports/keyring_source.hpp"
#include "runtime/metrics.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace memseal::app {

/// The root keys of the configuration. A keyring's file may be replaced while the process runs:
/// refresh(), and latest() before a key is made or where one is missing, take over what was
/// rotated. A file that cannot be used, or that is not the same keyring any more, changes nothing
/// but a metric and the log. Thread: any.
class LiveKeyring final : public ports::KeyringSource {
 public:
  /// Is given each keyring that takes over, on the thread that looked; must not look itself.
  using Changed = std::function<void(const crypto::Keyring&)>;

  /// Reads the keys. Throws Failure. `config` and `metrics` outlive it.
  LiveKeyring(const Config& config, runtime::Metrics& metrics, Changed changed);

  std::shared_ptr<const crypto::Keyring> now() const override;
  std::shared_ptr<const crypto::Keyring> latest() override;
  /// Reads the file again if it seems changed, or `always`.
  void refresh(bool always);

 private:
  void load(crypto::Keyring next);

  const Config& config_;
  const std::filesystem::path file_;  ///< empty: the keys were given one by one, and stay
  const Changed changed_;
  runtime::Gauge &refused_, &kek_;
  mutable std::mutex mutex_;
  std::string stamp_;  // of what was read last
  std::shared_ptr<const crypto::Keyring> keyring_;  // never null
};

}  // namespace memseal::app
