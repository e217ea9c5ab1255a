-- Registers a function as an inline projection, and returns the position after which it is called; what stands up to there is for the
-- caller to bring in. Again with the same function: the same position. Under the append lock, so that no append lies between the position
-- and the first call.
--
-- The function has to be the caller's own, and its owner must have the rights of the log's owner: appends run it with these.
-- Not SECURITY DEFINER: it takes the rights of the log's owner. CREATE TRIGGER waits for nobody who reads. Index: inline_projections_pkey.
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
        RAISE EXCEPTION 'the function of an inline projection must belong to whoever registers it, and to a role with the rights of the log''s owner; %(bigint, bigint) belongs to %',
            v_function, quote_ident(v_owner)
            USING ERRCODE = 'invalid_object_definition';
    END IF;
    SELECT * INTO r FROM inline_projections i WHERE i.name = p_name;
    IF r.name IS NULL THEN
        INSERT INTO inline_projections AS i (name, function, function_oid, after)
        VALUES (p_name, v_function, v_oid, coalesce((SELECT max(e.position) FROM events e), 0))
        RETURNING * INTO r;
    ELSIF inline_function_v1(r.function, r.function_oid) IS DISTINCT FROM v_oid THEN
        RAISE EXCEPTION 'inline projection % calls %(bigint, bigint) and not %(bigint, bigint); unregister it first',
            quote_ident(p_name), r.function, v_function
            USING ERRCODE = 'duplicate_object';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = 'events'::regclass AND t.tgname = 'call_inline') THEN
        CREATE TRIGGER call_inline AFTER INSERT ON events REFERENCING NEW TABLE AS appended
            FOR EACH STATEMENT EXECUTE FUNCTION call_inline_v1();
        COMMENT ON TRIGGER call_inline ON events IS 'eventstore: there while inline projections are registered';
    END IF;
    RETURN r.after;
END
$$;

COMMENT ON FUNCTION register_inline_v1 IS 'eventstore: has every append call a function';
REVOKE ALL ON FUNCTION register_inline_v1 FROM PUBLIC;
