-- Whose log it is in the schema $1, and who we are, where we administer the database (as a superuser, or as its owner) and the log belongs neither to us
-- nor to a superuser nor to the database's owner; no row else. Its owner wrote what its functions and triggers do, which would run with our
-- rights. Looks into the catalogue alone.
SELECT o.rolname::text, me.rolname::text
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
CROSS JOIN LATERAL (SELECT c.relowner AS role FROM pg_catalog.pg_class c
                    WHERE c.relnamespace = n.oid AND c.relname IN ('migrations', 'events')) AS w
JOIN pg_catalog.pg_roles o ON o.oid = w.role
WHERE n.nspname = $1 AND (me.rolsuper OR me.oid = d.datdba) AND o.oid <> me.oid AND o.oid <> d.datdba AND NOT o.rolsuper
ORDER BY 1 LIMIT 1
