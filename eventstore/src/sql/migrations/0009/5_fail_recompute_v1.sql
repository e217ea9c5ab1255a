-- Says that a key could not be recomputed, and why: it is due again when the pause and its interval have passed. Without a reason it is
-- handed back as if it had not been claimed, and is due at once. False, and nothing is changed, if the lease does not hold any more.
-- SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION fail_recompute_v1(p_projection text, p_key text, p_lease uuid, p_pause interval, p_why text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    PERFORM require_read_committed_v1();
    UPDATE recompute_queue AS q
    SET lease = NULL, leased_until = NULL,
        attempts = CASE WHEN p_why IS NULL THEN greatest(q.attempts - 1, 0) ELSE q.attempts END,
        failure = coalesce(p_why, q.failure),
        not_before = CASE WHEN p_why IS NULL THEN v_now ELSE q.not_before END,
        due_at = CASE WHEN p_why IS NULL THEN v_now ELSE greatest(v_now + p_pause, q.not_before) END
    WHERE q.projection = p_projection AND q.key = p_key AND q.lease = p_lease;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION fail_recompute_v1 IS 'eventstore: says that a key of a recomputed projection could not be computed';
REVOKE ALL ON FUNCTION fail_recompute_v1 FROM PUBLIC;
