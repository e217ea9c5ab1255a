-- Puts the matching events of a range of the log into a group's work. p_positions are all of them in (p_from, p_to]. Several members
-- may have read the same range: what was fed before is left out. Tells up to where the group is fed then, and:
--
--   fed       up to p_to
--   stale     somebody else had fed it as far
--   busy      somebody else is feeding it at this moment
--   gap       it was fed less far than p_from: it was reset; read again from there
--   full      p_window events are ready or under way: later
--   diverged  the log does not have the event at p_to: it was lost in a failover
--   gone      there is no such group any more
--
-- Guarantee: each event is fed once, in the order of the log. Not flushed: a crash that loses what was fed loses that it was, too.
-- SECURITY DEFINER as join_group_v1 is. Indexes:
-- consumer_groups_pkey, events_pkey, group_work_ready, group_work_keys.
CREATE FUNCTION feed_group_v1(
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
    verdict := CASE
        WHEN g.fed >= p_to THEN 'stale'
        WHEN g.fed < p_from THEN 'gap'
        WHEN NOT has_event_v1(p_to, p_to_id) THEN 'diverged'
        WHEN (SELECT count(*) FROM (SELECT FROM group_work w
                                 WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
                                 LIMIT p_window) AS ready) >= p_window THEN 'full'
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

COMMENT ON FUNCTION feed_group_v1 IS 'eventstore: puts events into the work of a consumer group';
REVOKE ALL ON FUNCTION feed_group_v1 FROM PUBLIC;
