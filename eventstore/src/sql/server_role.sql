-- Whether this server is a standby, and whether the log's tables are there that tell its version and its identity. Works on any server.
--
-- Guarantee: nothing that somebody else wrote is run by looking into them. Whoever may create schemas can have made this one first: a view runs its functions
-- with the reader's rights, policies and rules do, and so do the expressions of indexes and statistics, when a statement is planned. So only plain
-- tables count, as the migrations make them.
SELECT pg_catalog.pg_is_in_recovery() AS standby,
       (SELECT count(*)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname IN ('migrations', 'log')
          AND c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules AND NOT c.relhassubclass
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i
                          WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid AND s.stxexprs IS NOT NULL)) = 2 AS migrated
