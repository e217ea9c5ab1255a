-- Who but this role may put objects into the schema $1, or has done so; null for nobody. What strangers_v1 of a log says of its own, before anything is
-- made there: migrations run with the migrator's rights, and find functions by their names in that schema.
WITH log AS (
    SELECT n.oid, n.nspowner, n.nspacl, (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user) AS owner,
           (SELECT o.rolsuper OR o.rolname = current_user FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba
            WHERE d.datname = current_database()) AS is_own_database
    FROM pg_namespace n WHERE n.nspname = $1
), may AS (
    SELECT l.nspowner AS role, 'owns it' AS how FROM log l
    UNION SELECT a.grantee, 'may create objects in it' FROM log l, aclexplode(l.nspacl) AS a WHERE a.privilege_type = 'CREATE'
    UNION SELECT o.owner, 'has objects in it'
    FROM (SELECT p.pronamespace, p.proowner FROM pg_proc p UNION ALL SELECT c.relnamespace, c.relowner FROM pg_class c
          UNION ALL SELECT t.typnamespace, t.typowner FROM pg_type t UNION ALL SELECT x.oprnamespace, x.oprowner FROM pg_operator x
          UNION ALL SELECT y.collnamespace, y.collowner FROM pg_collation y) AS o(schema, owner)
    JOIN log l ON l.oid = o.schema
)
SELECT string_agg(concat_ws(' ', CASE m.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(m.role)) END, m.how), ', '
                  ORDER BY m.role, m.how),
       current_user::text
FROM may m CROSS JOIN log l LEFT JOIN pg_roles r ON r.oid = m.role
WHERE m.role <> l.owner AND r.rolsuper IS NOT TRUE AND NOT (m.role = 'pg_database_owner'::regrole AND l.is_own_database)
