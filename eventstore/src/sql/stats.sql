-- Figures of the log in schema $1. Positions are given without gaps, so that there are as many events as from the first one to the
-- head, but for those that were erased in between; the shares of types are those of the last ANALYZE. Keys may be partitioned.
WITH tables AS (
    SELECT c.relname AS name,
           coalesce((SELECT pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid))::bigint FROM pg_catalog.pg_partition_tree(c.oid) AS t),
                    pg_catalog.pg_total_relation_size(c.oid)) AS bytes
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname IN ('events', 'keys') AND c.relkind IN ('r', 'p')
)
SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1)
                - (SELECT e.position FROM {schema}.events e ORDER BY e.position LIMIT 1) + 1, 0) AS events,
       (SELECT t.bytes FROM tables t WHERE t.name = 'events') AS event_bytes,
       (SELECT t.bytes FROM tables t WHERE t.name = 'keys') AS key_bytes,
       (SELECT e.recorded_at FROM {schema}.events e ORDER BY e.position LIMIT 1) AS first_recorded_at,
       (SELECT e.recorded_at FROM {schema}.events e ORDER BY e.position DESC LIMIT 1) AS last_recorded_at,
       (SELECT count(*) FROM {schema}.snapshots) AS snapshots,
       s.most_common_vals::text::text[] AS event_types,
       s.most_common_freqs AS shares
FROM (VALUES (true)) AS always
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = $1 AND s.tablename = 'events' AND s.attname = 'event_type'
