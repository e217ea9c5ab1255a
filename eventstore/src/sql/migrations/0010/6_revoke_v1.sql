-- Revokes a privilege on this log from a role; it keeps what other privileges of its own consist of. With the last one goes the use of
-- the schema. What was granted by hand, and is part of the privilege, goes too. From a role that does not hold the privilege only that is revoked which
-- no other privilege includes: what the others share may be there for a reason that has no mark. What the role has through another role, it keeps.
-- CASCADE: what it has granted on goes with it. Not SECURITY DEFINER, as grant_v1.
CREATE FUNCTION revoke_v1(privilege text, grantee text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $$
DECLARE
    v_schema name := begin_grant_v1(privilege, grantee);
    v_is_held boolean := EXISTS (SELECT FROM privileges_v1() AS h
                                 WHERE h.grantee = revoke_v1.grantee AND h.privilege = revoke_v1.privilege);
    v_others text[] := ARRAY(SELECT h.privilege FROM privileges_v1() AS h
                             WHERE h.grantee = revoke_v1.grantee AND h.privilege <> revoke_v1.privilege);
    v_kept text[] := v_others;
    o record;
BEGIN
    IF NOT v_is_held THEN
        v_kept := array_remove(ARRAY['reader', 'writer', 'importer', 'projector'], privilege);
    END IF;
    FOR o IN
        SELECT p.kind, p.name FROM privilege_objects_v1(privilege) AS p
        EXCEPT
        SELECT p.kind, p.name FROM unnest(v_kept) AS other CROSS JOIN LATERAL privilege_objects_v1(other) AS p
    LOOP
        EXECUTE format('REVOKE %s ON %s %I.%I FROM %I CASCADE',
                       CASE o.kind WHEN 'TABLE' THEN 'SELECT' ELSE 'EXECUTE' END, o.kind, v_schema, o.name, grantee);
    END LOOP;
    IF v_is_held AND cardinality(v_others) = 0 THEN
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I CASCADE', v_schema, grantee);
    END IF;
END
$$;

COMMENT ON FUNCTION revoke_v1 IS 'eventstore: revokes a privilege on this log';
REVOKE ALL ON FUNCTION revoke_v1 FROM PUBLIC;
