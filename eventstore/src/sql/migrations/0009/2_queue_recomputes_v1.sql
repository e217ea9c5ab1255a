-- Notes the last event of each of these keys, which are given once each. A key that has none later becomes due, as soon as its interval
-- allows.
--
-- Guarantee: `wanted` only ever goes up, so that events may be noted again. A failover that loses the end of the log loses what was noted
-- of it too: both lie in the same database. Rows are locked in the order of their keys, whoever does so.
--
-- SECURITY DEFINER: whoever runs such a projection needs EXECUTE on these functions and no right on the table but SELECT. Index:
-- recompute_queue_pkey.
CREATE FUNCTION queue_recomputes_v1(p_projection text, p_keys text[], p_positions bigint[], p_ids uuid[]) RETURNS void
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
    INSERT INTO recompute_queue AS q (projection, key, wanted, wanted_id, due_at, waits_since)
    SELECT p_projection, n.key, n.position, n.id, v_now, v_now
    FROM unnest(p_keys, p_positions, p_ids) AS n(key, position, id)
    ORDER BY n.key COLLATE "C"
    ON CONFLICT (projection, key) DO UPDATE
    SET wanted = excluded.wanted, wanted_id = excluded.wanted_id,
        due_at = coalesce(q.due_at, greatest(v_now, q.not_before)),
        waits_since = coalesce(q.waits_since, v_now)
    WHERE q.wanted < excluded.wanted;
END
$$;

COMMENT ON FUNCTION queue_recomputes_v1 IS 'eventstore: notes which keys of a recomputed projection have changed';
REVOKE ALL ON FUNCTION queue_recomputes_v1 FROM PUBLIC;
