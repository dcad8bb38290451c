-- The default fills the filler, and what rewrites rows may set it and insert none.
SELECT 'the filler of app.memory_chunks has no default, or app_user has other rights on it than to change it'
WHERE NOT has_column_privilege('app_user', 'app.memory_chunks', 'filler', 'UPDATE')
   OR has_column_privilege('app_user', 'app.memory_chunks', 'filler', 'INSERT')
   OR NOT (SELECT atthasdef FROM pg_catalog.pg_attribute
           WHERE attrelid = 'app.memory_chunks'::regclass AND attname = 'filler');
