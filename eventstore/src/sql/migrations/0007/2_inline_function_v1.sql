-- The function that an inline projection calls; null if there is none that may be called. Its owner must have the rights of the log's
-- owner, as whom it runs, at each call and not only when it is registered: it runs with these rights, and whoever owns it, or has made another one of
-- its name, says what it does.
-- Where it has a search_path of its own, pg_temp has to come last in it, or PostgreSQL looks there first: whoever may append could have it
-- use temporary tables of theirs, and run their triggers with the owner's rights.
-- '20 20' is (bigint, bigint). Indexes: pg_proc_proname_args_nsp_index, pg_proc_oid_index.
CREATE FUNCTION inline_function_v1(p_function text, p_oid oid) RETURNS oid
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN (
        SELECT p.oid
        FROM pg_proc p
        WHERE p.oid = coalesce(to_regprocedure(p_function || '(bigint,bigint)')::oid, p_oid)
          AND p.prokind = 'f' AND p.proargtypes = '20 20'::oidvector
          AND pg_has_role(p.proowner, (SELECT o.proowner FROM pg_proc o WHERE o.oid = 'call_inline_v1'::regproc), 'USAGE')
          AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting
                          WHERE setting LIKE 'search_path=%' AND setting !~ '[=, ]pg_temp$'));
END
$$;

COMMENT ON FUNCTION inline_function_v1 IS 'eventstore: the function of an inline projection';
