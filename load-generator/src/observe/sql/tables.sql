-- What autovacuum did to the tables of the schema $1, and the rows it looks at; no row on a standby, where it never runs.
SELECT sum(autovacuum_count)::bigint   AS autovacuums,
       sum(autoanalyze_count)::bigint  AS autoanalyzes,
       sum(n_dead_tup)::bigint         AS dead,
       sum(n_live_tup)::bigint         AS live
  FROM pg_stat_all_tables
 WHERE schemaname = $1
HAVING NOT pg_is_in_recovery()
