-- Says what came of leased work. Outcomes: d is done; s was started, or goes on: it is asked after when the pause has passed; f failed, to
-- be tried again after the pause; p failed for good, to be parked; b is handed back untouched. p_deadlines_ms is how long what was
-- started may take, from now; it is set once. Returns the ids for which the lease still held.
--
-- Guarantee: only the claim that has leased a row last can settle it. SECURITY DEFINER as claim_process_work_v1 is. Index:
-- process_work_pkey.
CREATE FUNCTION settle_process_work_v1(
    p_ids uuid[], p_leases uuid[], p_outcomes text[], p_attempts integer[], p_pauses_ms double precision[],
    p_references jsonb[], p_checks_every_ms double precision[], p_deadlines_ms double precision[], p_failures text[])
RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET lock_timeout = '1s'
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_held uuid[];
BEGIN
    PERFORM require_read_committed_v1();
    -- In one order, whoever settles: so that nobody waits for one who waits for them.
    v_held := ARRAY(
        SELECT w.id
        FROM unnest(p_ids, p_leases) AS s(id, lease)
        JOIN process_work AS w ON w.id = s.id AND w.lease = s.lease
        ORDER BY w.id
        FOR UPDATE OF w);
    DELETE FROM process_work AS w
    USING unnest(p_ids, p_leases, p_outcomes) AS s(id, lease, outcome)
    WHERE s.outcome = 'd' AND w.id = s.id AND w.lease = s.lease;
    IF p_outcomes <> array_fill('d'::text, ARRAY[cardinality(p_outcomes)]) THEN
        UPDATE process_work AS w
        SET lease = NULL, leased_until = NULL, attempts = s.attempts,
            lane = CASE WHEN s.outcome = 's' THEN 's' ELSE w.lane END,
            -- Not after its deadline, at which it is asked after for the last time.
            due_at = CASE WHEN s.outcome = 'p' THEN w.due_at
                          ELSE least(v_now + s.pause_ms * interval '1 millisecond',
                                     CASE WHEN w.deadline_at > v_now THEN w.deadline_at END,
                                     v_now + s.deadline_ms * interval '1 millisecond') END,
            reference = coalesce(s.reference, w.reference),
            check_every_ms = coalesce(s.check_every_ms, w.check_every_ms),
            deadline_at = coalesce(w.deadline_at, v_now + s.deadline_ms * interval '1 millisecond'),
            failure = coalesce(s.failure, w.failure),
            is_parked = s.outcome = 'p',
            parked_at = CASE WHEN s.outcome = 'p' THEN v_now END
        FROM unnest(p_ids, p_leases, p_outcomes, p_attempts, p_pauses_ms, p_references, p_checks_every_ms, p_deadlines_ms, p_failures)
             AS s(id, lease, outcome, attempts, pause_ms, reference, check_every_ms, deadline_ms, failure)
        WHERE s.outcome <> 'd' AND w.id = s.id AND w.lease = s.lease;
    END IF;
    RETURN QUERY SELECT unnest(v_held);
END
$$;

COMMENT ON FUNCTION settle_process_work_v1 IS 'eventstore: says what came of work of a process manager';
REVOKE ALL ON FUNCTION settle_process_work_v1 FROM PUBLIC;
