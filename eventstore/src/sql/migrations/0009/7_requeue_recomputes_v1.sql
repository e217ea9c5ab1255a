-- Has keys recomputed though they have no new event, as soon as their intervals allow: those after p_after, in their order, p_limit at most.
-- Returns how many, and the last one. A recompute that is under way does not count: it may have begun with the mistake that this is to
-- mend. One that waits already keeps its turn.
-- SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION requeue_recomputes_v1(p_projection text, p_after text, p_limit integer, OUT count bigint, OUT last text)
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
    WITH keys AS MATERIALIZED (
        -- In the order in which events are noted, so that neither waits for the other.
        SELECT q.key FROM recompute_queue q
        WHERE q.projection = p_projection AND q.key > p_after
        ORDER BY q.key LIMIT p_limit
        FOR UPDATE
    ), requeued AS (
        UPDATE recompute_queue AS q
        SET again = true, attempts = 0, due_at = greatest(least(q.due_at, v_now), q.not_before),
            waits_since = coalesce(q.waits_since, v_now)
        FROM keys AS k WHERE q.projection = p_projection AND q.key = k.key
        RETURNING q.key
    )
    SELECT count(*), max(r.key) INTO requeue_recomputes_v1.count, requeue_recomputes_v1.last FROM requeued AS r;
END
$$;

COMMENT ON FUNCTION requeue_recomputes_v1 IS 'eventstore: has keys of a recomputed projection recomputed';
REVOKE ALL ON FUNCTION requeue_recomputes_v1 FROM PUBLIC;
-- Has one key recomputed, as requeue_recomputes_v1 does; false if there is none.
-- SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION requeue_recompute_v1(p_projection text, p_key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    PERFORM require_read_committed_v1();
    UPDATE recompute_queue AS q
    SET again = true, attempts = 0, due_at = greatest(least(q.due_at, v_now), q.not_before),
        waits_since = coalesce(q.waits_since, v_now)
    WHERE q.projection = p_projection AND q.key = p_key;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION requeue_recompute_v1 IS 'eventstore: has a key of a recomputed projection recomputed';
REVOKE ALL ON FUNCTION requeue_recompute_v1 FROM PUBLIC;
