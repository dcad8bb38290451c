#pragma once
#include "pure/crypto/keyring.hpp"

#include <memory>
#include <utility>

namespace memseal::ports {

/// The root keys as this process has them now. They may be replaced while the process runs.
/// Thread: any.
class KeyringSource {
 public:
  virtual ~KeyringSource() = default;
  /// Never null.
  virtual std::shared_ptr<const crypto::Keyring> now() const = 0;
  /// The same after a look whether the keys changed where they come from. May block on a file.
  virtual std::shared_ptr<const crypto::Keyring> latest() = 0;
};

/// A keyring that stays as it is.
class FixedKeyring final : public KeyringSource {
 public:
  explicit FixedKeyring(std::shared_ptr<const crypto::Keyring> keyring)
      : keyring_(std::move(keyring)) {}
  /// `keyring` outlives everything that this hands out.
  explicit FixedKeyring(const crypto::Keyring& keyring)
      : keyring_(std::shared_ptr<const crypto::Keyring>(), &keyring) {}

  std::shared_ptr<const crypto::Keyring> now() const override { return keyring_; }
  std::shared_ptr<const crypto::Keyring> latest() override { return keyring_; }

 private:
  const std::shared_ptr<const crypto::Keyring> keyring_;
};

}  // namespace memseal::ports
