-- How far this server is, and which events it has at positions ($1), all in one snapshot. By events_pkey.
SELECT pg_catalog.pg_is_in_recovery() AS standby,
       (SELECT l.id FROM {schema}.log l) AS log,
       coalesce(h.position, 0) AS head,
       h.id AS head_id,
       (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint AS wal,
       coalesce((SELECT pg_catalog.array_agg((SELECT e.id FROM {schema}.events e WHERE e.position = p.position) ORDER BY p.nth)
                 FROM pg_catalog.unnest($1::bigint[]) WITH ORDINALITY AS p(position, nth)), '{}') AS ids
FROM (VALUES (true)) AS always
LEFT JOIN (SELECT e.position, e.id FROM {schema}.events e ORDER BY e.position DESC LIMIT 1) AS h ON true
