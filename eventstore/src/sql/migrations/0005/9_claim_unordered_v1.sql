-- Leases up to p_limit events that are due, of a group that keeps no order. One row each, with the event, in the order of the log;
-- `head` is its own position. Then one row without a position, whose `attempts` is in how many milliseconds the next event is due
-- that is leased or waits for another attempt, if fewer than p_limit were due now, and whose `head` is up to where the group is fed.
--
-- Guarantee: an event is leased to one claim at a time. Rows that others lock are skipped: they are being leased or settled. What was
-- handed over p_max_attempts times without a word is parked. What is due later than the group's horizon from now was leased before
-- the clock was set back. A lease that is lost in a crash is not missed, so that claims are not flushed: the event is claimed again.
--
-- SECURITY DEFINER as join_group_v1 is. Indexes: group_work_ready, group_work_pkey, events_pkey.
CREATE FUNCTION claim_unordered_v1(
    p_group_id integer, p_lease uuid, p_limit integer, p_for interval, p_max_attempts integer)
RETURNS TABLE ("position" bigint, attempts integer, head bigint, id uuid, recorded_at timestamptz,
               occurred_at timestamptz, event_type text, payload jsonb, metadata jsonb)
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
    g consumer_groups%ROWTYPE;
    v_now timestamptz := clock_timestamp();
    v_leased bigint;
    v_spent bigint[];
    v_due_in_ms integer;
    v_is_spent boolean;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO g FROM consumer_groups c WHERE c.id = p_group_id;
    IF g.order_by <> 'none' THEN
        RAISE 'group % keeps order', g.name USING ERRCODE = 'wrong_object_type';
    END IF;
    RETURN QUERY
        WITH due AS MATERIALIZED (
            SELECT w.position, w.attempts FROM group_work w
            WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
              AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon)
            ORDER BY w.position LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ), leased AS (
            UPDATE group_work AS w
            SET lease = p_lease, due_at = v_now + p_for, attempts = w.attempts + 1
            FROM due AS d
            WHERE w.group_id = p_group_id AND w.position = d.position AND d.attempts < p_max_attempts
            RETURNING w.position, w.attempts
        )
        SELECT l.position, l.attempts, l.position, e.id, e.recorded_at, e.occurred_at, e.event_type, e.payload, e.metadata
        FROM leased AS l
        CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.position = l.position OFFSET 0) AS e
        ORDER BY l.position;
    GET DIAGNOSTICS v_leased = ROW_COUNT;
    IF v_leased < p_limit THEN
        SELECT * INTO v_due_in_ms, v_is_spent FROM next_due_v1(p_group_id, g.done, v_now, g.horizon, p_max_attempts);
    END IF;
    IF v_is_spent THEN
        v_spent := ARRAY(
            SELECT w.position FROM group_work w
            WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
              AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon) AND w.attempts >= p_max_attempts
            ORDER BY w.position LIMIT p_limit
            FOR UPDATE SKIP LOCKED);
        IF cardinality(v_spent) > 0 THEN
            PERFORM park_spent_v1(p_group_id, v_spent, p_max_attempts);
            v_due_in_ms := 0;
        END IF;
    END IF;
    RETURN QUERY
        SELECT NULL::bigint, v_due_in_ms, g.fed, NULL::uuid, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::jsonb, NULL::jsonb;
END
$$;

COMMENT ON FUNCTION claim_unordered_v1 IS 'eventstore: leases events of a consumer group that keeps no order';
REVOKE ALL ON FUNCTION claim_unordered_v1 FROM PUBLIC;
