#pragma once

namespace memseal::test {

/// Puts app.tenant() back as migration 0001 makes it.
inline constexpr const char* shipped_tenant_function =
    "CREATE OR REPLACE FUNCTION app.tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE "
    "SET search_path = pg_catalog AS $tenant$\nDECLARE\n  hash constant text := "
    "current_setting('app.user_hash', true);\nBEGIN\n  IF hash IS NULL OR hash !~ "
    "'^[0-9a-f]{64}$' THEN\n    RAISE EXCEPTION 'tenant context missing' "
    "USING ERRCODE = '42501';\n  END IF;\n  RETURN hash;\nEND\n$tenant$";

}  // namespace memseal::test
