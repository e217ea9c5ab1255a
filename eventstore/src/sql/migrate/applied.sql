-- The migrations that were applied, in order.
SELECT m.version, m.name, m.checksum, m.applied_at FROM {schema}.migrations m ORDER BY m.version
