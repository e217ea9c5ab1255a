-- The work of autovacuum on each table of the schema $1: how often it was completed, and whether it goes on. (Without the role
-- pg_read_all_stats the tables of running work are hidden, and only the completion is seen.)
WITH workers AS (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
SELECT 'autovacuum of ' || t.relname AS work, t.autovacuum_count AS completed,
       EXISTS (SELECT FROM pg_stat_progress_vacuum p JOIN workers w USING (pid) WHERE p.relid = t.relid) AS is_running
  FROM pg_stat_all_tables t
 WHERE t.schemaname = $1
 UNION ALL
SELECT 'autoanalyze of ' || t.relname, t.autoanalyze_count,
       EXISTS (SELECT FROM pg_stat_progress_analyze p JOIN workers w USING (pid) WHERE p.relid = t.relid)
  FROM pg_stat_all_tables t
 WHERE t.schemaname = $1
