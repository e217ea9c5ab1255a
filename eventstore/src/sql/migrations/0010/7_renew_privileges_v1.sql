-- Grants all who hold a privilege what it consists of now. For migrations that add to it.
CREATE FUNCTION renew_privileges_v1() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM grant_v1(h.privilege, h.grantee) FROM privileges_v1() AS h;
END
$$;

COMMENT ON FUNCTION renew_privileges_v1 IS 'eventstore: grants what privileges consist of to all who hold them';
REVOKE ALL ON FUNCTION renew_privileges_v1 FROM PUBLIC;
