-- Reverts 0008_term_blocks: forgets the terms of all chunks. They stay found by their vectors.
SET LOCAL ROLE memory_owner;
DROP TABLE app.term_blocks;
RESET ROLE;
