-- The migrations that were applied, in order.
SELECT m.version, m.checksum FROM {schema}.migrations m ORDER BY m.version
