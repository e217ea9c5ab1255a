-- Which events stand at positions ($1), one row for each, in which the id is nil where there is no event; whether the server is
-- a standby, which may just not have replayed them; and where the log ends, all in one snapshot. By events_pkey.
SELECT p.position, coalesce(e.id, '00000000-0000-0000-0000-000000000000') AS id, pg_catalog.pg_is_in_recovery() AS standby,
       coalesce((SELECT h.position FROM {schema}.events h ORDER BY h.position DESC LIMIT 1), 0) AS head
FROM pg_catalog.unnest($1::bigint[]) AS p(position)
LEFT JOIN LATERAL (SELECT e.id FROM {schema}.events e WHERE e.position = p.position OFFSET 0) AS e ON true
