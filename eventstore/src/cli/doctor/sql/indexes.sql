-- The indexes of schema $1, whether queries and writers use them, and whether one of their table is being built just now.
SELECT i.relname::text AS name, t.relname::text AS "table", x.indisvalid AND x.indisready AS is_valid,
       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = x.indrelid) AS is_building
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = i.relnamespace
 WHERE n.nspname = $1
 ORDER BY 1
