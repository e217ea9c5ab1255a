-- Run in a database of its own, {name}, by a superuser: what docs/security.md says of a database that is the log's alone. Roles are named after
-- the database, as those of a server are seen by all of its databases.
CREATE ROLE {name}_owner NOLOGIN;
CREATE ROLE {name}_admin LOGIN {password} IN ROLE {name}_owner;
ALTER ROLE {name}_admin SET role = '{name}_owner';
CREATE ROLE {name}_writer LOGIN {password};
CREATE ROLE {name}_importer LOGIN {password};
CREATE ROLE {name}_reader LOGIN {password};
CREATE ROLE {name}_projector LOGIN {password};

ALTER DATABASE {name} OWNER TO {name}_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT ON DATABASE {name} TO {name}_admin, {name}_writer, {name}_importer, {name}_reader, {name}_projector;

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p
             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {name}_owner', f);
    END LOOP;
END
$$;
