-- How many standbys receive what this server writes.
SELECT count(*) FILTER (WHERE state = 'streaming')::float8 AS streaming_standbys
  FROM pg_stat_replication
HAVING pg_has_role('pg_read_all_stats', 'USAGE')
