-- Checks what is to be granted or revoked, takes the lock of migrations of this schema, and returns the schema. That lock is waited for:
-- PostgreSQL refuses two at once who grant the same ("tuple concurrently updated"), and a migration may grant too.
-- First of all, that nobody else can put functions into the schema: this one would find them.
CREATE FUNCTION begin_grant_v1(p_privilege text, p_grantee text) RETURNS name
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET lock_timeout = '10s'
AS $$
DECLARE
    v_strangers text := strangers_v1('events'::regclass);
    v_schema name;
    v_owner oid;
    v_role oid;
BEGIN
    IF v_strangers IS NOT NULL THEN
        RAISE EXCEPTION 'the schema of a log has to be its owner''s alone, found: %', v_strangers
            USING ERRCODE = 'invalid_schema_definition',
                  HINT = 'ALTER SCHEMA ... OWNER TO the owner of the log, REVOKE CREATE ON SCHEMA ... FROM the others, and drop what is theirs';
    END IF;
    SELECT r.oid INTO v_role FROM pg_roles r WHERE r.rolname = p_grantee;
    SELECT n.nspname, c.relowner INTO STRICT v_schema, v_owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'events'::regclass;
    IF NOT EXISTS (SELECT FROM privilege_objects_v1(p_privilege)) THEN
        RAISE EXCEPTION 'there is no privilege %; expected reader, writer, importer or projector', coalesce(quote_literal(p_privilege), 'null')
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_grantee = 'public' THEN
        RAISE EXCEPTION 'a privilege is granted to a role, and not to PUBLIC' USING ERRCODE = 'invalid_parameter_value';
    ELSIF v_role IS NULL THEN
        RAISE EXCEPTION 'there is no role %', coalesce(quote_literal(p_grantee), 'null') USING ERRCODE = 'undefined_object';
    ELSIF v_role = v_owner THEN
        RAISE EXCEPTION 'role % owns the log: it may do everything, and the log works with its rights', quote_literal(p_grantee)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT pg_has_role(v_owner, 'USAGE') THEN
        RAISE EXCEPTION 'only the owner of the log, %, grants and revokes', quote_ident(pg_get_userbyid(v_owner))
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(1163284302, hashtext(v_schema));
    RETURN v_schema;
END
$$;

COMMENT ON FUNCTION begin_grant_v1 IS 'eventstore: checks what is to be granted or revoked';
REVOKE ALL ON FUNCTION begin_grant_v1 FROM PUBLIC;

-- Grants a role a privilege on this log: 'reader', 'writer', 'importer' or 'projector'. Again: the same, and what was missing.
--
-- Guarantee: all of it or nothing, in the caller's transaction. Not SECURITY DEFINER: it takes the rights of the log's owner, which are never lent.
CREATE FUNCTION grant_v1(privilege text, grantee text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $$
DECLARE
    v_schema name := begin_grant_v1(privilege, grantee);
    o record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', v_schema, grantee);
    -- PostgreSQL only warns where somebody else's schema is granted.
    IF NOT has_schema_privilege(grantee, v_schema, 'USAGE') THEN
        RAISE EXCEPTION 'the owner of the log does not own schema % and can not grant its use', quote_ident(v_schema)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR o IN SELECT p.kind, p.name FROM privilege_objects_v1(privilege) AS p LOOP
        EXECUTE format('GRANT %s ON %s %I.%I TO %I', CASE o.kind WHEN 'TABLE' THEN 'SELECT' ELSE 'EXECUTE' END, o.kind, v_schema, o.name, grantee);
    END LOOP;
END
$$;

COMMENT ON FUNCTION grant_v1 IS 'eventstore: grants a role a privilege on this log';
REVOKE ALL ON FUNCTION grant_v1 FROM PUBLIC;
