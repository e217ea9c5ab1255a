-- Nobody may call a function of a log by default. Until here anybody could who may use the schema: these functions read nothing but with
-- the caller's own rights. Those who read any table of the log now or a column of one, by grants of the owner's, or as members of pg_read_all_data, may
-- call what readers call, as before, so that their processes go on.
REVOKE ALL ON FUNCTION type_key_v1, value_key_v1, event_keys_v1, position_before_v1, require_read_committed_v1, has_event_v1,
    is_alive_v1, projection_checkpoint_v1, inline_function_v1 FROM PUBLIC;

DO $$
DECLARE
    v_reader text;
BEGIN
    FOR v_reader IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM (SELECT c.relowner, c.relacl FROM pg_class AS c
              WHERE c.relnamespace = (SELECT e.relnamespace FROM pg_class AS e WHERE e.oid = 'events'::regclass) AND c.relkind IN ('r', 'p')
              UNION ALL
              SELECT c.relowner, f.attacl FROM pg_attribute AS f JOIN pg_class AS c ON c.oid = f.attrelid
              WHERE c.relnamespace = (SELECT e.relnamespace FROM pg_class AS e WHERE e.oid = 'events'::regclass) AND c.relkind IN ('r', 'p')) AS o(owner, acl),
             aclexplode(o.acl) AS a
        WHERE a.privilege_type = 'SELECT' AND a.grantee <> o.owner
        UNION
        SELECT 'pg_read_all_data'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION type_key_v1, value_key_v1, position_before_v1, is_alive_v1, projection_checkpoint_v1, '
                       'inline_function_v1 TO %s', v_reader);
    END LOOP;
END
$$;
