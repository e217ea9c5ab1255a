-- Nobody may call a function of a log by default. Until here anybody could who may use the schema: these functions read nothing but with
-- the caller's own rights. Those who read the events now, by grants of the owner's, or as members of pg_read_all_data, may call what
-- readers call, as before, so that their processes go on.
REVOKE ALL ON FUNCTION type_key_v1, value_key_v1, event_keys_v1, position_before_v1, require_read_committed_v1, has_event_v1,
    is_alive_v1, projection_checkpoint_v1, inline_function_v1 FROM PUBLIC;

DO $$
DECLARE
    v_reader text;
BEGIN
    FOR v_reader IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = 'events'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
        UNION
        SELECT 'pg_read_all_data'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION type_key_v1, value_key_v1, position_before_v1, is_alive_v1, projection_checkpoint_v1, '
                       'inline_function_v1 TO %s', v_reader);
    END LOOP;
END
$$;
