-- feed_group_v1 as migration 5 made it (its header says what it guarantees, how, and by which indexes), and in a group that keeps the order of all
-- events those that wait behind a parked one count as work, too: nothing but a person ends that, and until then every new event was added.
-- Indexes of that: group_work_parked, group_work_keys.
--
-- CREATE OR REPLACE keeps the owner, the grants and the comment.
CREATE OR REPLACE FUNCTION feed_group_v1(
    p_group_id integer, p_from bigint, p_to bigint, p_to_id uuid, p_positions bigint[], p_window integer,
    OUT verdict text, OUT fed bigint, OUT fed_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    g consumer_groups%ROWTYPE;
    v_parked bigint;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO g FROM consumer_groups c WHERE c.id = p_group_id FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        verdict := CASE WHEN EXISTS (SELECT FROM consumer_groups c WHERE c.id = p_group_id) THEN 'busy' ELSE 'gone' END;
        RETURN;
    END IF;
    fed := g.fed;
    fed_id := g.fed_id;
    IF g.order_by = 'all' THEN
        v_parked := (SELECT w.position FROM group_work w
                     WHERE w.group_id = p_group_id AND w.state = 'p' ORDER BY w.position LIMIT 1);
    END IF;
    verdict := CASE
        WHEN g.fed >= p_to THEN 'stale'
        WHEN g.fed < p_from THEN 'gap'
        WHEN NOT has_event_v1(p_to, p_to_id) THEN 'diverged'
        WHEN (SELECT count(*) FROM (SELECT FROM group_work w
                                 WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
                                 LIMIT p_window) AS ready) >= p_window THEN 'full'
        -- All that is behind what is parked waits for it.
        WHEN (SELECT count(*) FROM (SELECT FROM group_work w
                                 WHERE w.group_id = p_group_id AND w.key = 0 AND w.position > v_parked
                                 LIMIT p_window) AS waiting) >= p_window THEN 'full'
        ELSE 'fed' END;
    IF verdict <> 'fed' THEN
        RETURN;
    END IF;
    fed := p_to;
    fed_id := p_to_id;
    IF g.order_by = 'none' THEN
        INSERT INTO group_work (group_id, position)
        SELECT p_group_id, u.position FROM unnest(p_positions) AS u(position) WHERE u.position > g.fed;
    ELSE
        INSERT INTO group_work (group_id, position, key, state)
        SELECT p_group_id, n.position, n.key,
               CASE WHEN EXISTS (SELECT FROM group_work w
                                 WHERE w.group_id = p_group_id AND w.key = n.key AND w.state <> 'r') THEN 'b' ELSE 'r' END
        FROM (SELECT u.position,
                     CASE WHEN g.order_by = 'all' THEN 0
                          ELSE (SELECT coalesce(value_key_v1(g.order_by, v.value), hashtextextended(v.value::text, 2))
                                FROM events e
                                CROSS JOIN LATERAL (SELECT jsonb_path_query_first(e.payload, g.extract) AS value) AS v
                                WHERE e.position = u.position) END AS key
              FROM unnest(p_positions) AS u(position)
              WHERE u.position > g.fed) AS n;
    END IF;
    UPDATE consumer_groups c SET fed = p_to, fed_id = p_to_id WHERE c.id = p_group_id;
    PERFORM fold_group_v1(p_group_id);
END
$$;
