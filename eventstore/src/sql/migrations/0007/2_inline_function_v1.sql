-- The function that an inline projection calls; null if there is none that may be called. Its owner must have the rights of the log's
-- owner, at each call and not only when it is registered: it runs with these rights, and whoever owns it, or has made another one of
-- its name, says what it does.
-- '20 20' is (bigint, bigint). Indexes: pg_proc_proname_args_nsp_index, pg_proc_oid_index.
CREATE FUNCTION inline_function_v1(p_function text, p_oid oid) RETURNS oid
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT p.oid
    FROM pg_proc p
    WHERE p.oid = coalesce(to_regprocedure(p_function || '(bigint,bigint)')::oid, p_oid)
      AND p.prokind = 'f' AND p.proargtypes = '20 20'::oidvector
      AND pg_has_role(p.proowner, (SELECT c.relowner FROM pg_class c WHERE c.oid = 'events'::regclass), 'USAGE')
$$;

COMMENT ON FUNCTION inline_function_v1 IS 'eventstore: the function of an inline projection';
