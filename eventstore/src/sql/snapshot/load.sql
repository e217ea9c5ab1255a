-- The snapshot of a name ($1) and a filter's fingerprint ($2), and whether the log has the event that it rests on.
-- Indexes: snapshots_pkey, events_pkey.
SELECT s.position, s.event_id, s.saved_at, s.state::text,
       s.position = 0 OR (SELECT e.id FROM {schema}.events e WHERE e.position = s.position) IS NOT DISTINCT FROM s.event_id
           AS is_of_this_history,
       pg_catalog.pg_is_in_recovery() AS standby, (SELECT l.id FROM {schema}.log l) AS log
FROM {schema}.snapshots s
WHERE s.name = $1 AND s.fingerprint = $2
