-- The checks before a release, in one run: sanity.sql, leak.sql and plans.sql, by psql alone:
--   psql -X "postgresql://app_user@HOST/DATABASE" -f config/verify/approve.sql
-- Ends with "APPROVED". psql ends with status 3, and prints no APPROVED, where a check fails.
\set ON_ERROR_STOP on
\ir sanity.sql
\ir leak.sql
\ir plans.sql
\echo APPROVED
