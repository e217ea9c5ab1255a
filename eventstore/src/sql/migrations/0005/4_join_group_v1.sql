-- Takes part in a consumer group, which is made if need be, and tells up to where it was fed. A new one begins at the token that is
-- given, or at the head; without either none is made. Verdicts:
--
--   joined    fed up to here
--   filter    the group was made with another filter
--   order     or with another order, which is told
--   missing   there is no such group
--   diverged  the log does not have the event of the token, or the one up to which the group was fed
--
-- SECURITY DEFINER: workers need EXECUTE on these functions and no right on the tables but SELECT. Indexes:
-- consumer_groups_name_key, events_pkey.
CREATE FUNCTION join_group_v1(
    p_name text, p_fingerprint bytea, p_order_by text, p_extract text, p_position bigint, p_event_id uuid,
    p_from_head boolean, p_member uuid, p_label text, p_beat_every interval, p_horizon interval,
    OUT verdict text, OUT group_id integer, OUT fed bigint, OUT fed_id uuid, OUT order_by text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    g consumer_groups%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    LOOP
        SELECT * INTO g FROM consumer_groups c WHERE c.name = p_name FOR UPDATE;
        EXIT WHEN FOUND;
        IF p_position IS NULL THEN
            verdict := 'missing';
            RETURN;
        ELSIF p_from_head THEN
            SELECT e.position, e.id INTO p_position, p_event_id FROM events e ORDER BY e.position DESC LIMIT 1;
            IF NOT FOUND THEN
                p_position := 0;
                p_event_id := '00000000-0000-0000-0000-000000000000';
            END IF;
        ELSIF NOT has_event_v1(p_position, p_event_id) THEN
            verdict := 'diverged';
            fed := p_position;
            RETURN;
        END IF;
        INSERT INTO consumer_groups (name, fingerprint, order_by, extract, fed, fed_id, done, horizon)
        VALUES (p_name, p_fingerprint, p_order_by, p_extract::jsonpath, p_position, p_event_id, p_position, p_horizon)
        ON CONFLICT DO NOTHING;
    END LOOP;
    group_id := g.id;
    fed := g.fed;
    fed_id := g.fed_id;
    order_by := g.order_by;
    verdict := CASE
        WHEN g.fingerprint <> p_fingerprint THEN 'filter'
        WHEN g.order_by <> p_order_by THEN 'order'
        WHEN NOT has_event_v1(g.fed, g.fed_id) THEN 'diverged'
        ELSE 'joined' END;
    IF verdict = 'joined' THEN
        IF g.horizon < p_horizon THEN
            UPDATE consumer_groups c SET horizon = greatest(c.horizon, p_horizon) WHERE c.id = g.id;
        END IF;
        INSERT INTO group_members (group_id, member, label, beat_every)
        VALUES (g.id, p_member, p_label, p_beat_every)
        ON CONFLICT ON CONSTRAINT group_members_pkey DO UPDATE SET beat_at = clock_timestamp();
    END IF;
END
$$;

COMMENT ON FUNCTION join_group_v1 IS 'eventstore: takes part in a consumer group';
REVOKE ALL ON FUNCTION join_group_v1 FROM PUBLIC;
