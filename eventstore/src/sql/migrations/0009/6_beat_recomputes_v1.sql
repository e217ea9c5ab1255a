-- Has leases last longer; returns the keys for which they still held. What somebody locks is not waited for: it is told as it was last, and
-- not made to last longer. One that is lost in a crash is not missed, so that this is not flushed.
-- SECURITY DEFINER as queue_recomputes_v1 is. Index: recompute_queue_pkey.
CREATE FUNCTION beat_recomputes_v1(p_projection text, p_keys text[], p_leases uuid[], p_for interval)
RETURNS TABLE (key text, is_extended boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
        WITH held AS MATERIALIZED (
            SELECT q.key
            FROM unnest(p_keys, p_leases) AS s(key, lease)
            JOIN recompute_queue AS q ON q.projection = p_projection AND q.key = s.key AND q.lease = s.lease
            ORDER BY q.key
            FOR UPDATE OF q SKIP LOCKED
        ), extended AS (
            UPDATE recompute_queue AS q SET leased_until = clock_timestamp() + p_for
            FROM held AS h WHERE q.projection = p_projection AND q.key = h.key
            RETURNING q.key
        )
        SELECT q.key, q.key IN (SELECT e.key FROM extended e)
        FROM unnest(p_keys, p_leases) AS s(key, lease)
        JOIN recompute_queue AS q ON q.projection = p_projection AND q.key = s.key AND q.lease = s.lease;
END
$$;

COMMENT ON FUNCTION beat_recomputes_v1 IS 'eventstore: has leases on keys of a recomputed projection last longer';
REVOKE ALL ON FUNCTION beat_recomputes_v1 FROM PUBLIC;
