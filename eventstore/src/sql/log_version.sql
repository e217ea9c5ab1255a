-- The version of the log's schema, and the oldest version of this library that still works with it.
SELECT coalesce(pg_catalog.max(m.version), 0) AS version, coalesce(pg_catalog.max(m.works_with), 0) AS works_with
FROM {schema}.migrations m
