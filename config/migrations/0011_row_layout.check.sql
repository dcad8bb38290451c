-- The default fills the filler, nothing else may stand there, and what rewrites rows may set it and insert none.
-- Storage MAIN: compressed in its row, and never moved out.
SELECT 'the filler of app.memory_chunks has no default, or app_user has other rights on it than to change it'
WHERE NOT has_column_privilege('app_user', 'app.memory_chunks', 'filler', 'UPDATE')
   OR has_column_privilege('app_user', 'app.memory_chunks', 'filler', 'INSERT')
   OR NOT (SELECT atthasdef FROM pg_catalog.pg_attribute
           WHERE attrelid = 'app.memory_chunks'::regclass AND attname = 'filler')
UNION ALL
SELECT 'the filler of app.memory_chunks is not stored as MAIN, or constraint memory_chunks_filler is missing'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                  WHERE attrelid = 'app.memory_chunks'::regclass AND attname = 'filler' AND attstorage = 'm')
   OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
                  WHERE conrelid = 'app.memory_chunks'::regclass AND conname = 'memory_chunks_filler'
                    AND contype = 'c');
