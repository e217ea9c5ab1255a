-- Who holds which privilege, in the order of their names, and whether they may create schemas in this database. By the grants of four
-- functions (pg_proc_proname_args_nsp_index).
SELECT p.privilege, p.grantee, pg_catalog.has_database_privilege(p.grantee, pg_catalog.current_database(), 'CREATE') AS may_create_schemas
FROM {schema}.privileges_v1() AS p
ORDER BY p.grantee COLLATE "C", p.privilege
