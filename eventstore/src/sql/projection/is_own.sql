-- One row if the schema $1 is there with the mark $2: the tables of this projection are in it.
SELECT FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = $1 AND pg_catalog.obj_description(n.oid, 'pg_namespace') = $2
