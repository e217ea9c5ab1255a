-- The tables of schema $1: rows, what vacuum and ANALYZE have before them, size without TOAST, and storage parameters. A standby counts
-- none of it. Counters begin at zero after a crash and a promotion, until a vacuum or ANALYZE counts anew; the estimate in pg_class stays,
-- and -1 is one that was never made.
SELECT c.relname::text AS name,
       nullif(c.reltuples, -1)::bigint            AS estimate,
       coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL AS is_counted,
       coalesce(s.n_live_tup, 0)::bigint          AS live,
       coalesce(s.n_dead_tup, 0)::bigint          AS dead,
       coalesce(s.n_mod_since_analyze, 0)::bigint AS modified,
       coalesce(s.n_ins_since_vacuum, 0)::bigint  AS inserted,
       coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL AS is_analyzed,
       pg_catalog.pg_relation_size(c.oid)::bigint AS bytes,
       c.relpersistence <> 'p' AS is_unlogged,
       coalesce(c.reloptions, '{}') AS parameters
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE n.nspname = $1 AND c.relkind = 'r'
 ORDER BY 1
