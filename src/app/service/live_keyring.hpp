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
  void take(crypto::Keyring next);
  void refuse(const Error& why);

  const Config& config_;
  const std::filesystem::path file_;  ///< empty: the keys were given one by one, and stay
  const Changed changed_;
  runtime::Gauge &refused_, &kek_;
  std::mutex looking_;     // held while the file is read, so that readers of keyring_ never wait
  std::string stamp_;      // under looking_: of what was read last; empty: read it again
  std::string complaint_;  // under looking_: what the log said last of a file that is refused
  mutable std::mutex mutex_;
  std::shared_ptr<const crypto::Keyring> keyring_;  // under mutex_; never null
};

}  // namespace memseal::app
