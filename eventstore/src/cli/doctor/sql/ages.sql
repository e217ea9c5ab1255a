-- How many transactions ago the oldest row was written that is not frozen, and the same of multixacts: at two thousand million the
-- server takes no writes any more. The oldest database decides.
SELECT datname::text AS database, age(datfrozenxid)::bigint AS transactions, mxid_age(datminmxid)::bigint AS multixacts
  FROM pg_database
 ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC
 LIMIT 1
