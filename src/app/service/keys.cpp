#include "app/service/keys.hpp"

namespace memseal::app {

Result<crypto::Keyring> load_keyring(const Config& config) {
  if (!config.seal.encryption_key.empty()) {
    if (config.seal.token_key.empty() && config.auth.jwks_file.empty())
      return Error{Errc::key_missing,
                   "seal.token_key is not set; give it, or auth.jwks_file, or a keyring file"};
    return crypto::Keyring::from_keys(config.seal.tenant_hmac_key, config.seal.encryption_key,
                                      config.seal.token_key);
  }
  if (config.seal.keyring_file.empty())
    return Error{Errc::key_missing,
                 "no keys: run `memseal keys init keyring` and set seal.keyring_file"};
  return crypto::Keyring::load(config.seal.keyring_file);
}

}  // namespace memseal::app
