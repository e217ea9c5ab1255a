-- Who but the owner of a log may put objects into its schema, or has done so; null for nobody. Functions of the log find others by their names, in
-- the log's schema, and work with its owner's rights: who can put a function there that fits a call better can have it run with them.
-- Superusers, who may do everything anyway, do not count; nor does pg_database_owner where the database is the owner's or a superuser's.
--
-- Looks in pg_catalog alone, for what it calls itself. The migrator asks the same before there is this function: sql/migrate/strangers.sql.
CREATE FUNCTION strangers_v1(p_events regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH log AS (
        SELECT n.oid, n.nspowner, n.nspacl, c.relowner AS owner,
               (SELECT o.rolsuper OR o.oid = c.relowner FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba
                WHERE d.datname = current_database()) AS is_own_database
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = p_events
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
                      ORDER BY m.role, m.how)
    FROM may m CROSS JOIN log l LEFT JOIN pg_roles r ON r.oid = m.role
    WHERE m.role <> l.owner AND r.rolsuper IS NOT TRUE AND NOT (m.role = 'pg_database_owner'::regrole AND l.is_own_database)
$$;

COMMENT ON FUNCTION strangers_v1 IS 'eventstore: who but the owner may put objects into the schema of the log';
REVOKE ALL ON FUNCTION strangers_v1 FROM PUBLIC;
