-- Prepared transactions that nobody ended for a minute; none can be on a standby's own account.
SELECT gid, extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8 AS seconds
  FROM pg_prepared_xacts
 WHERE prepared < pg_catalog.clock_timestamp() - interval '1 minute'
 ORDER BY prepared
 LIMIT 5
