-- Has a key recomputed though it has no new event, or all keys where p_key is null, as soon as their intervals allow; returns how many. A
-- recompute that is under way does not count: it may have begun with the mistake that this is to mend.
-- SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION requeue_recomputes_v1(p_projection text, p_key text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_count bigint;
BEGIN
    PERFORM require_read_committed_v1();
    -- In the order in which events are noted, so that neither waits for the other.
    PERFORM FROM recompute_queue q WHERE q.projection = p_projection AND (p_key IS NULL OR q.key = p_key)
    ORDER BY q.key FOR UPDATE;
    UPDATE recompute_queue AS q
    SET again = true, attempts = 0, due_at = greatest(v_now, q.not_before), waits_since = coalesce(q.waits_since, v_now)
    WHERE q.projection = p_projection AND (p_key IS NULL OR q.key = p_key);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

COMMENT ON FUNCTION requeue_recomputes_v1 IS 'eventstore: has keys of a recomputed projection recomputed';
REVOKE ALL ON FUNCTION requeue_recomputes_v1 FROM PUBLIC;
