-- Leases up to p_limit events that are due and the first of their keys, of a group that keeps order, and up to p_run events that
-- follow each of them under its key. Rows as claim_unordered_v1 has them; `head` is the position of the first event of its key in
-- this claim.
--
-- Guarantee: as of claim_unordered_v1; and an event is leased only when every earlier one of its key is done, or in the same claim.
--
-- SECURITY DEFINER as join_group_v1 is. Indexes: group_work_ready, group_work_keys, group_work_pkey, events_pkey.
CREATE FUNCTION claim_ordered_v1(
    p_group_id integer, p_lease uuid, p_limit integer, p_run integer, p_for interval, p_max_attempts integer)
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
    v_heads bigint[];
    v_spent bigint[];
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO g FROM consumer_groups c WHERE c.id = p_group_id;
    IF g.order_by = 'none' THEN
        RAISE 'group % keeps no order', g.name USING ERRCODE = 'wrong_object_type';
    END IF;
    IF g.order_by = 'all' THEN
        v_heads := ARRAY(
            SELECT w.position FROM group_work w
            WHERE w.group_id = p_group_id AND w.state = 'r'
              AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon)
              AND w.position = (SELECT f.position FROM group_work f WHERE f.group_id = p_group_id AND f.key = 0
                                ORDER BY f.position LIMIT 1)
            FOR UPDATE SKIP LOCKED);
    ELSE
        v_heads := ARRAY(
            SELECT w.position FROM group_work w
            WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
              AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon)
              AND NOT EXISTS (SELECT FROM group_work f
                              WHERE f.group_id = p_group_id AND f.key = w.key AND f.position < w.position)
            ORDER BY w.position LIMIT p_limit
            FOR UPDATE SKIP LOCKED);
    END IF;
    v_spent := ARRAY(SELECT w.position FROM group_work w
                     WHERE w.group_id = p_group_id AND w.position = ANY (v_heads) AND w.attempts >= p_max_attempts);
    IF cardinality(v_spent) > 0 THEN
        PERFORM park_spent_v1(p_group_id, v_spent, p_max_attempts);
    END IF;
    RETURN QUERY
        WITH heads AS MATERIALIZED (
            SELECT w.position, w.key FROM group_work w
            WHERE w.group_id = p_group_id AND w.position = ANY (v_heads) AND w.position <> ALL (v_spent)
        ), followers AS MATERIALIZED (         -- as far as each is due, without a gap
            SELECT f.position, h.position AS head
            FROM heads AS h
            CROSS JOIN LATERAL (
                SELECT w.position, bool_and(w.state = 'r' AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon))
                                       OVER (ORDER BY w.position) AS is_due
                FROM (SELECT n.position, n.state, n.due_at FROM group_work n
                      WHERE n.group_id = p_group_id AND n.key = h.key AND n.position > h.position
                      ORDER BY n.position LIMIT p_run) AS w
            ) AS f
            WHERE f.is_due
        ), leased AS (
            UPDATE group_work AS w
            SET lease = p_lease, due_at = v_now + p_for,
                attempts = w.attempts + CASE WHEN t.position = t.head THEN 1 ELSE 0 END
            FROM (SELECT h.position, h.position AS head FROM heads AS h
                  UNION ALL SELECT f.position, f.head FROM followers AS f) AS t
            WHERE w.group_id = p_group_id AND w.position = t.position
              -- Followers are not locked before: whoever had them may have parked them meanwhile, or lives. As text, so that rows
              -- are found by their positions, and not by walking all that is ready.
              AND w.state::text = 'r' AND (w.due_at <= v_now OR w.due_at > v_now + g.horizon)
            RETURNING w.position, w.attempts, t.head
        )
        SELECT l.position, l.attempts, l.head, e.id, e.recorded_at, e.occurred_at, e.event_type, e.payload, e.metadata
        FROM leased AS l
        CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.position = l.position OFFSET 0) AS e
        ORDER BY l.position;
    RETURN QUERY
        SELECT NULL::bigint,
               CASE WHEN cardinality(v_spent) > 0 THEN 0
                    WHEN cardinality(v_heads) < p_limit THEN
                         (next_due_v1(p_group_id, g.done, v_now, g.horizon, p_max_attempts)).due_in_ms END,
               g.fed, NULL::uuid, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::jsonb, NULL::jsonb;
END
$$;

COMMENT ON FUNCTION claim_ordered_v1 IS 'eventstore: leases events of a consumer group that keeps order';
REVOKE ALL ON FUNCTION claim_ordered_v1 FROM PUBLIC;
