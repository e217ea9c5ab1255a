-- The version of the log's schema, and the oldest version of this library that still works with it.
SELECT coalesce(max(m.version), 0) AS version, coalesce(max(m.works_with), 0) AS works_with
FROM {schema}.migrations m
