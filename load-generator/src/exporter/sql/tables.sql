-- What vacuum and ANALYZE did to the tables of the schema $1, and the rows they look at. No row on a standby, where they never run. A
-- table that was never analyzed has no time of it.
SELECT relname AS table,
       n_live_tup::float8 AS table_live_rows,
       n_dead_tup::float8 AS table_dead_rows,
       n_mod_since_analyze::float8 AS table_modified_since_analyze_rows,
       n_ins_since_vacuum::float8 AS table_inserted_since_vacuum_rows,
       vacuum_count::float8 AS table_vacuums_total,
       autovacuum_count::float8 AS table_autovacuums_total,
       analyze_count::float8 AS table_analyzes_total,
       autoanalyze_count::float8 AS table_autoanalyzes_total,
       extract(epoch FROM greatest(last_vacuum, last_autovacuum))::float8 AS table_last_vacuum_timestamp_seconds,
       extract(epoch FROM greatest(last_analyze, last_autoanalyze))::float8 AS table_last_analyze_timestamp_seconds,
       seq_scan::float8 AS table_sequential_scans_total
  FROM pg_stat_all_tables
 WHERE schemaname = $1 AND NOT pg_is_in_recovery()
