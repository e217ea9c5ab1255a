-- Whether the schema is there, its table of migrations, and who owns the log in it, if there is one.
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1),
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = 'migrations'),
       (SELECT pg_catalog.pg_get_userbyid(c.relowner)::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'events')
