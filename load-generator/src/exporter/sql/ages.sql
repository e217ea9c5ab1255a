-- How many transactions, and multixacts, the oldest row of any database is behind: at 2^31 the server takes no writes.
SELECT max(age(datfrozenxid))::float8 AS database_age_transactions,
       max(mxid_age(datminmxid))::float8 AS database_age_multixacts
  FROM pg_database
