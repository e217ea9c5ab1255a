-- How many transactions ago the oldest row was written that is not frozen, and the same of multixacts: at two thousand million the
-- server takes no writes any more. The oldest database decides.
SELECT datname::text AS database, pg_catalog.age(datfrozenxid)::bigint AS transactions, pg_catalog.mxid_age(datminmxid)::bigint AS multixacts
  FROM pg_database
 ORDER BY greatest(pg_catalog.age(datfrozenxid), pg_catalog.mxid_age(datminmxid)) DESC
 LIMIT 1
