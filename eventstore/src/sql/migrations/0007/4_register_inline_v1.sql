-- Registers a function as an inline projection, and returns the position after which it is called; what stands up to there is for the
-- caller to bring in. Again with the same function: the same position, unless the trigger
-- was gone. Under the append lock, so that no append lies between the position
-- and the first call.
--
-- The function has to be the caller's own, and its owner must have the rights of the log's owner: appends run it with these.
-- Not SECURITY DEFINER: it takes the rights of the log's owner. CREATE TRIGGER waits for nobody who reads, but for VACUUM and ANALYZE. Index: inline_projections_pkey.
CREATE FUNCTION register_inline_v1(p_name text, p_function text) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET lock_timeout = '2s'
AS $$
DECLARE
    v_oid      oid;
    v_function text;
    v_owner    name;
    v_is_own   boolean;
    v_has_trigger boolean;
    r          inline_projections%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    SELECT p.oid, format('%I.%I', n.nspname, p.proname), pg_get_userbyid(p.proowner),
           pg_has_role(current_user, p.proowner, 'USAGE')
    INTO v_oid, v_function, v_owner, v_is_own
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid = to_regprocedure(p_function || '(bigint,bigint)') AND p.prokind = 'f';
    IF v_oid IS NULL THEN
        RAISE EXCEPTION 'there is no function %(bigint, bigint) for inline projection %', p_function, quote_ident(p_name)
            USING ERRCODE = 'undefined_object';
    ELSIF NOT v_is_own OR inline_function_v1(v_function, v_oid) IS NULL THEN
        RAISE EXCEPTION 'the function of an inline projection must belong to whoever registers it, and to a role with the rights of the log''s owner, and have pg_temp last in its search_path, if it has one; %(bigint, bigint) belongs to % and has %',
            v_function, quote_ident(v_owner), coalesce((SELECT p.proconfig::text FROM pg_proc p WHERE p.oid = v_oid), 'no settings')
            USING ERRCODE = 'invalid_object_definition';
    END IF;
    v_has_trigger := EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = 'events'::regclass AND t.tgname = 'call_inline'
                             AND t.tgenabled IN ('O', 'A'));
    SELECT * INTO r FROM inline_projections i WHERE i.name = p_name;
    IF r.name IS NULL THEN
        INSERT INTO inline_projections AS i (name, function, function_oid, after)
        VALUES (p_name, v_function, v_oid, coalesce((SELECT max(e.position) FROM events e), 0))
        RETURNING * INTO r;
    ELSIF inline_function_v1(r.function, r.function_oid) IS DISTINCT FROM v_oid THEN
        RAISE EXCEPTION 'inline projection % calls %(bigint, bigint) and not %(bigint, bigint); unregister it first',
            quote_ident(p_name), r.function, v_function
            USING ERRCODE = 'duplicate_object';
    ELSE
        -- It may have been renamed, or made anew: as it is found from now on.
        UPDATE inline_projections i SET function = v_function, function_oid = v_oid WHERE i.name = p_name;
    END IF;
    IF NOT v_has_trigger THEN
        -- Data that was brought in without it was not handed to those that were registered before.
        UPDATE inline_projections i SET after = coalesce((SELECT max(e.position) FROM events e), 0)
        RETURNING i.after INTO r.after;
        -- Appends wait meanwhile: where VACUUM, say, is at work on the events, it is tried again later.
        PERFORM set_config('lock_timeout', '100ms', true);
        DROP TRIGGER IF EXISTS call_inline ON events;
        CREATE TRIGGER call_inline AFTER INSERT ON events REFERENCING NEW TABLE AS appended
            FOR EACH STATEMENT EXECUTE FUNCTION call_inline_v1();
        COMMENT ON TRIGGER call_inline ON events IS 'eventstore: there while inline projections are registered';
    END IF;
    RETURN r.after;
END
$$;

COMMENT ON FUNCTION register_inline_v1 IS 'eventstore: has every append call a function';
REVOKE ALL ON FUNCTION register_inline_v1 FROM PUBLIC;
