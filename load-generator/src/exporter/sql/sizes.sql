-- How large the tables of the schema $1 are: their rows, indexes and TOAST tables, and how old their oldest row is that was not frozen.
SELECT c.relname AS table,
       pg_relation_size(c.oid)::float8 AS table_bytes,
       pg_indexes_size(c.oid)::float8 AS table_indexes_bytes,
       coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)::float8 AS table_toast_bytes,
       age(c.relfrozenxid)::float8 AS table_age_transactions
  FROM pg_class c
 WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind = 'r' AND NOT pg_is_in_recovery()
