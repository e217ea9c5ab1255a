-- Leases up to p_limit commands, checks or wake-ups of a process that are due, the longest due first: one row each. Then one row without
-- an id, whose `attempts` is in how many milliseconds the next one is due, or its lease runs out; null if there is none.
--
-- Guarantee: each is leased to one claim at a time. Rows that others lock are skipped. What was claimed p_max_attempts times
-- without a word is parked, as it may be what killed whoever had it. A lease that ends more than a day from now was given before the
-- clock was set back, and counts as over. One that is lost in a crash is not missed, so that claims are not flushed.
--
-- SECURITY DEFINER: process managers need EXECUTE on these functions and no right on the table but SELECT. Index: process_work_due.
CREATE FUNCTION claim_process_work_v1(
    p_process text, p_lane text, p_lease uuid, p_limit integer, p_for interval, p_max_attempts integer)
RETURNS TABLE (id uuid, attempts integer, cause bigint, key jsonb, name text, payload jsonb, reference jsonb,
               check_every_ms double precision, is_late boolean)
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
    v_due_in_ms bigint;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
        WITH leased AS (
            UPDATE process_work AS w
            SET lease = p_lease, leased_until = v_now + p_for, attempts = w.attempts + 1
            -- Locked until the end, they stay where they are.
            WHERE w.ctid = ANY (ARRAY(
                SELECT d.ctid FROM process_work d
                WHERE d.process = p_process AND d.lane = p_lane::"char" AND NOT d.is_parked AND d.due_at <= v_now
                  AND (d.leased_until IS NULL OR d.leased_until <= v_now OR d.leased_until > v_now + interval '1 day')
                  AND d.attempts < p_max_attempts
                ORDER BY d.due_at LIMIT p_limit
                FOR UPDATE SKIP LOCKED))
            RETURNING w.*
        )
        SELECT l.id, l.attempts, l.cause, l.key, l.name, l.payload, l.reference, l.check_every_ms,
               coalesce(l.deadline_at <= v_now, false)
        FROM leased AS l ORDER BY l.due_at;
    GET DIAGNOSTICS v_claimed = ROW_COUNT;
    IF v_claimed < p_limit THEN
        v_due_at := (SELECT w.due_at FROM process_work w
                     WHERE w.process = p_process AND w.lane = p_lane::"char" AND NOT w.is_parked AND w.due_at > v_now
                     ORDER BY w.due_at LIMIT 1);
        -- What is due and leased by nobody is locked by somebody who may leave it.
        v_free_at := (SELECT min(CASE WHEN w.leased_until > v_now THEN w.leased_until ELSE v_now + interval '20 milliseconds' END)
                      FROM process_work w
                      WHERE w.process = p_process AND w.lane = p_lane::"char" AND NOT w.is_parked AND w.due_at <= v_now
                        AND w.lease IS DISTINCT FROM p_lease AND w.attempts < p_max_attempts);
        v_due_in_ms := ceil(extract(epoch FROM least(v_due_at, v_free_at) - v_now) * 1000);
        UPDATE process_work AS w
        SET is_parked = true, parked_at = v_now, lease = NULL, leased_until = NULL,
            failure = 'it was claimed as often as it may be, and nobody said what came of it'
        WHERE w.ctid = ANY (ARRAY(
            SELECT d.ctid FROM process_work d
            WHERE d.process = p_process AND d.lane = p_lane::"char" AND NOT d.is_parked AND d.due_at <= v_now
              AND (d.leased_until IS NULL OR d.leased_until <= v_now OR d.leased_until > v_now + interval '1 day')
              AND d.attempts >= p_max_attempts
            FOR UPDATE SKIP LOCKED));
    END IF;
    RETURN QUERY
        SELECT NULL::uuid, CASE WHEN v_due_in_ms < 2000000000 THEN v_due_in_ms::integer END,
               NULL::bigint, NULL::jsonb, NULL::text, NULL::jsonb, NULL::jsonb, NULL::double precision, NULL::boolean;
END
$$;

COMMENT ON FUNCTION claim_process_work_v1 IS 'eventstore: leases work of a process manager';
REVOKE ALL ON FUNCTION claim_process_work_v1 FROM PUBLIC;
