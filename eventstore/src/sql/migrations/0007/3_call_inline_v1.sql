-- Calls the registered functions, in the order of their names, with the positions of what a statement has added to the log. As a trigger:
-- whatever appends is seen, append_v1 stays as it is, and a log without inline projections, which has no trigger, pays nothing.
--
-- Guarantee: what the functions write is committed with the events or not at all, and one after the other, as appends hold the log's lock.
-- What one raises goes to the append. Nothing that is run here comes from a writer: only the owner of the log writes the registry, and
-- no function looks among temporary tables first.
-- SECURITY DEFINER: it reads the registry. Indexes: inline_projections_pkey, pg_proc_oid_index.
CREATE FUNCTION call_inline_v1() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_first bigint;
    v_last  bigint;
    found   record;
BEGIN
    SELECT min(a.position), max(a.position) INTO v_first, v_last FROM appended a;
    IF v_first IS NULL THEN
        RETURN NULL;
    END IF;
    FOR found IN
        SELECT i.name, i.function, n.nspname, p.proname
        FROM inline_projections i
        LEFT JOIN pg_proc p ON p.oid = inline_function_v1(i.function, i.function_oid)
        LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
        ORDER BY i.name
    LOOP
        IF found.proname IS NULL THEN
            RAISE EXCEPTION 'inline projection % calls the function %(bigint, bigint), and there is none that may be called: its owner needs the rights of the log''s owner, and its search_path, if it has one, pg_temp at its end; make it again, or unregister it: SELECT %.unregister_inline_v1(%)',
                quote_ident(found.name), found.function, quote_ident(TG_TABLE_SCHEMA), quote_literal(found.name)
                USING ERRCODE = 'undefined_object';
        END IF;
        EXECUTE format('SELECT %I.%I($1, $2)', found.nspname, found.proname) USING v_first, v_last;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION call_inline_v1 IS 'eventstore: calls the inline projections, in the transaction of each append';
REVOKE ALL ON FUNCTION call_inline_v1 FROM PUBLIC;
