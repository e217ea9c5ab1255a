-- Who holds which privilege: the roles that a mark was granted to, themselves and not through another role. Owners and superusers, who may
-- do anything, are not among them. By the marks' own grants.
CREATE FUNCTION privileges_v1() RETURNS TABLE (privilege text, grantee text)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT m.privilege, r.rolname::text
    FROM unnest(ARRAY['reader', 'writer', 'importer', 'projector']) AS m(privilege)
    JOIN pg_catalog.pg_proc AS f ON f.oid = (m.privilege || '_v1')::regproc
    CROSS JOIN LATERAL aclexplode(f.proacl) AS a
    JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
    WHERE a.privilege_type = 'EXECUTE' AND a.grantee <> f.proowner
$$;

COMMENT ON FUNCTION privileges_v1 IS 'eventstore: who holds which privilege';
REVOKE ALL ON FUNCTION privileges_v1 FROM PUBLIC;
