-- Says what came of leased events, in the caller's transaction, if there is one. Outcomes: d is done; f failed, to be tried again
-- after a pause; p failed for good, to be parked; b is handed back untouched. Returns the positions for which the lease still held.
--
-- Guarantee: only the claim that has leased an event last can settle it. And where order is kept, none is done before an earlier one of
-- its key. A row that somebody keeps locked, in a transaction of theirs, is not waited for for long. SECURITY DEFINER as join_group_v1 is. Indexes: group_work_pkey,
-- group_work_keys.
CREATE FUNCTION settle_group_v1(
    p_group_id integer, p_positions bigint[], p_leases uuid[], p_outcomes text[], p_attempts integer[],
    p_pauses_ms double precision[], p_failures text[])
RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET lock_timeout = '1s'
AS $$
#variable_conflict use_column
DECLARE
    v_held bigint[];
BEGIN
    -- In the order of the log, whoever settles: so that nobody waits for one who waits for them.
    v_held := ARRAY(
        SELECT w.position
        FROM unnest(p_positions, p_leases, p_outcomes) AS s(position, lease, outcome)
        JOIN group_work AS w ON w.group_id = p_group_id AND w.position = s.position AND w.lease = s.lease
        WHERE s.outcome <> 'd' OR NOT EXISTS (SELECT FROM group_work f
                          WHERE f.group_id = p_group_id AND f.key = w.key AND f.position < w.position)
        ORDER BY w.position
        FOR UPDATE OF w);
    DELETE FROM group_work AS w
    USING unnest(p_positions, p_outcomes) AS s(position, outcome)
    WHERE s.outcome = 'd' AND s.position = ANY (v_held) AND w.group_id = p_group_id AND w.position = s.position;
    IF 'f' = ANY (p_outcomes) OR 'b' = ANY (p_outcomes) THEN
        UPDATE group_work AS w
        SET lease = NULL, due_at = clock_timestamp() + s.pause_ms * interval '1 millisecond', attempts = s.attempts, failure = coalesce(s.failure, w.failure)
        FROM unnest(p_positions, p_outcomes, p_attempts, p_pauses_ms, p_failures)
             AS s(position, outcome, attempts, pause_ms, failure)
        WHERE s.outcome IN ('f', 'b') AND s.position = ANY (v_held)
          AND w.group_id = p_group_id AND w.position = s.position;
    END IF;
    IF 'p' = ANY (p_outcomes) THEN
        PERFORM park_v1(p_group_id, array_agg(s.position), array_agg(s.attempts), array_agg(s.failure))
        FROM unnest(p_positions, p_outcomes, p_attempts, p_failures) AS s(position, outcome, attempts, failure)
        WHERE s.outcome = 'p' AND s.position = ANY (v_held)
        HAVING count(*) > 0;
    END IF;
    RETURN QUERY SELECT unnest(v_held);
END
$$;

COMMENT ON FUNCTION settle_group_v1 IS 'eventstore: says what came of events of a consumer group';
REVOKE ALL ON FUNCTION settle_group_v1 FROM PUBLIC;
