-- How large the tables of the schema $1 are with their indexes and TOAST tables, in bytes.
SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes
  FROM pg_class c
 WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'm')
