-- Says, in the transaction that saves what was computed of a key, that it has everything up to p_done: the position that was wanted when it
-- was claimed, and never the one that is wanted now, as an event that came meanwhile may be missing. Then the key is due again. False,
-- and nothing is changed, if the lease does not hold any more: roll back then.
--
-- Guarantee: only whoever has leased a key last saves it, once. To be called last: the row is locked until the transaction ends, and
-- whoever notes an event of the key waits for it. SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION settle_recompute_v1(p_projection text, p_key text, p_lease uuid, p_done bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM require_read_committed_v1();
    UPDATE recompute_queue AS q
    SET done = p_done, lease = NULL, leased_until = NULL, attempts = 0, failure = NULL,
        due_at = CASE WHEN q.wanted > p_done OR q.again THEN q.not_before END,
        waits_since = CASE WHEN q.wanted > p_done OR q.again THEN greatest(q.waits_since, q.begun_at) END
    WHERE q.projection = p_projection AND q.key = p_key AND q.lease = p_lease;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION settle_recompute_v1 IS 'eventstore: says that a key of a recomputed projection is saved';
REVOKE ALL ON FUNCTION settle_recompute_v1 FROM PUBLIC;
