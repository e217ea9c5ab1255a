-- Whether the schema is there, and its table of migrations.
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1),
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = 'migrations')
