-- The processes that have something to do, or the one that $1 names: how much of what. Reads all of it.
SELECT w.process,
       count(*) FILTER (WHERE NOT w.is_parked AND w.lane = 'c'),
       count(*) FILTER (WHERE NOT w.is_parked AND w.lane = 's'),
       count(*) FILTER (WHERE NOT w.is_parked AND w.lane = 'w'),
       count(*) FILTER (WHERE NOT w.is_parked AND w.leased_until > pg_catalog.clock_timestamp()),
       count(*) FILTER (WHERE w.is_parked),
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(w.due_at) FILTER (
           WHERE NOT w.is_parked AND (w.leased_until IS NULL OR w.leased_until <= pg_catalog.clock_timestamp()))), 0)::float8
FROM {schema}.process_work AS w
WHERE $1::text IS NULL OR w.process = $1
GROUP BY w.process ORDER BY w.process
