-- Which events stand at positions ($1); a log that ends before has none. By events_pkey.
SELECT e.position, e.id FROM {schema}.events e WHERE e.position = ANY ($1::bigint[])
