#pragma once
// What an operator may set of tokens and keys.
#include "base/limits.hpp"
#include "base/setting.hpp"

namespace memseal::crypto {

/// Section `auth`.
struct AuthSettings {
  std::string jwks_file;  ///< RS256/ES256 keys; empty: HS256 by the keyring
  std::string issuer, audience;
  std::int64_t lifetime_s_max = limits::token_lifetime_s_max;
  std::int64_t leeway_s = limits::token_leeway_s;

  static SettingRows<AuthSettings> rows();
};

/// Section `seal`: a keyring file, or single keys instead of it.
struct SealSettings {
  std::string keyring_file;
  std::string tenant_hmac_key, encryption_key, token_key;

  static SettingRows<SealSettings> rows();
};

}  // namespace memseal::crypto
