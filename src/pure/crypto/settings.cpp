#include "pure/crypto/settings.hpp"

namespace memseal::crypto {

SettingRows<AuthSettings> AuthSettings::rows() {
  using namespace setting;
  return {
      path("auth.jwks_file",
           "JWK Set with RS256/ES256 keys; empty: HS256 with the keyring's token key",
           &AuthSettings::jwks_file),
      text("auth.issuer", "required `iss` of tokens; empty: not checked", &AuthSettings::issuer),
      text("auth.audience", "required `aud` of tokens; empty: not checked",
           &AuthSettings::audience),
      number("auth.lifetime_s_max", "longest accepted lifetime of a token in seconds", 60,
             limits::token_lifetime_s_max, &AuthSettings::lifetime_s_max),
      number("auth.leeway_s", "tolerated clock difference in seconds", 0, 60,
             &AuthSettings::leeway_s)};
}

SettingRows<SealSettings> SealSettings::rows() {
  using namespace setting;
  return {path("seal.keyring_file",
               "file of mode 0600 made by `memseal keys init`; read again when it changes",
               &SealSettings::keyring_file),
          with_alias(secret("seal.tenant_hmac_key",
                            "key that names tenants, base64 or hex, instead of a keyring",
                            &SealSettings::tenant_hmac_key),
                     "MEMORY_TENANT_HMAC_KEY"),
          with_alias(secret("seal.encryption_key", "key that wraps tenants' keys, base64 or hex",
                            &SealSettings::encryption_key),
                     "MEMORY_ENCRYPTION_KEY"),
          secret("seal.token_key", "HS256 key of bearer tokens, base64 or hex",
                 &SealSettings::token_key)};
}

}  // namespace memseal::crypto
