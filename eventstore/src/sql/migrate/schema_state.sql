-- Whether the schema is there, its table of migrations, and who owns the log in it, if there is one; and whether a migration may become that
-- role, which runs what it has put there with the migrator's rights if it wants to: what it is already, the database's owner, or a superuser.
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1),
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = 'migrations'),
       o.name, coalesce(o.may_be_become, true)
FROM (VALUES (true)) AS always
LEFT JOIN (SELECT r.rolname::text AS name, r.rolsuper OR r.oid = d.datdba OR r.rolname = current_user AS may_be_become
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
           JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
           WHERE n.nspname = $1 AND c.relname = 'events') AS o ON true
