-- claim_recomputes_v1 as migration 9 made it (its header says what it guarantees, how, and by which indexes), and its last row says null where nothing
-- is to come, as it was to: greatest(null, 0) is 0 in PostgreSQL, so whoever had nothing to do asked again at once, two hundred times a second.
--
-- CREATE OR REPLACE keeps the owner, the grants and the comment.
CREATE OR REPLACE FUNCTION claim_recomputes_v1(p_projection text, p_lease uuid, p_limit integer, p_for interval, p_every interval)
RETURNS TABLE (key text, wanted bigint, wanted_id uuid, attempts integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := clock_timestamp();
    v_claimed integer;
    v_due_at timestamptz;
    v_free_at timestamptz;
BEGIN
    PERFORM require_read_committed_v1();
    RETURN QUERY
        WITH due AS MATERIALIZED (
            SELECT q.key, q.due_at FROM recompute_queue q
            WHERE q.projection = p_projection AND q.due_at <= v_now AND q.not_before <= v_now
              AND (q.leased_until IS NULL OR q.leased_until <= v_now OR q.leased_until > v_now + interval '1 day')
            ORDER BY q.due_at LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ), leased AS (
            UPDATE recompute_queue AS q
            SET lease = p_lease, leased_until = v_now + p_for, begun_at = v_now, again = false, attempts = q.attempts + 1,
                -- It may be what killed whoever had it: that is told, and tried again ever later.
                not_before = v_now + CASE WHEN q.lease IS NULL THEN p_every
                                          ELSE greatest(p_every, least(power(2, least(q.attempts, 10)), 300) * interval '1 second') END,
                failure = CASE WHEN q.lease IS NULL THEN q.failure ELSE 'its lease ran out, and nobody said what came of it' END
            FROM due AS d WHERE q.projection = p_projection AND q.key = d.key
            RETURNING q.*
        )
        SELECT l.key, l.wanted, l.wanted_id, l.attempts FROM leased AS l ORDER BY l.due_at;
    GET DIAGNOSTICS v_claimed = ROW_COUNT;
    IF v_claimed < p_limit THEN
        v_due_at := (SELECT q.due_at FROM recompute_queue q
                     WHERE q.projection = p_projection AND q.due_at > v_now
                     ORDER BY q.due_at LIMIT 1);
        -- What is due and was not claimed is leased, locked, or rests: little.
        v_free_at := (SELECT min(greatest(q.not_before, q.leased_until)) FROM recompute_queue q
                      WHERE q.projection = p_projection AND q.due_at <= v_now AND q.lease IS DISTINCT FROM p_lease);
    ELSE
        v_due_at := v_now;
    END IF;
    RETURN QUERY
        SELECT NULL::text, NULL::bigint, NULL::uuid,
               CASE WHEN v_due_at IS NULL AND v_free_at IS NULL THEN NULL
                    WHEN v_free_at = '-infinity' THEN 0
                    ELSE least(greatest(ceil(extract(epoch FROM least(v_due_at, v_free_at) - v_now) * 1000), 0), 2000000000)::integer END;
END
$$;
