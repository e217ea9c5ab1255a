-- Has parked events of a group handed over again (p_drop is false), or drops them; those at p_positions. What waits behind them
-- goes on. Returns the group's number, null if there is no such group, and how many events there were.
-- SECURITY DEFINER as join_group_v1 is. Indexes: consumer_groups_name_key, group_work_pkey, group_work_keys.
CREATE FUNCTION unpark_v1(p_name text, p_positions bigint[], p_drop boolean, OUT group_id integer, OUT unparked bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    v_positions bigint[];
    v_keys bigint[];
BEGIN
    PERFORM require_read_committed_v1();
    SELECT c.id INTO group_id FROM consumer_groups c WHERE c.name = p_name FOR UPDATE;
    unparked := 0;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(w.position), '{}'), coalesce(array_agg(w.key) FILTER (WHERE w.key IS NOT NULL), '{}')
    INTO v_positions, v_keys
    FROM group_work w
    WHERE w.group_id = unpark_v1.group_id AND w.state = 'p' AND w.position = ANY (p_positions);
    IF p_drop THEN
        DELETE FROM group_work w WHERE w.group_id = unpark_v1.group_id AND w.position = ANY (v_positions);
    ELSE
        UPDATE group_work w SET state = 'r', attempts = 0, due_at = '-infinity', parked_at = NULL
        WHERE w.group_id = unpark_v1.group_id AND w.position = ANY (v_positions);
    END IF;
    UPDATE group_work w SET state = 'r' WHERE w.group_id = unpark_v1.group_id AND w.state = 'b' AND w.key = ANY (v_keys);
    -- They may stand before what was done last.
    UPDATE consumer_groups c
    SET done = least(c.done, (SELECT w.position - 1 FROM group_work w WHERE w.group_id = unpark_v1.group_id AND w.state = 'r'
                              ORDER BY w.position LIMIT 1))
    WHERE c.id = unpark_v1.group_id;
    unparked := cardinality(v_positions);
END
$$;

COMMENT ON FUNCTION unpark_v1 IS 'eventstore: hands parked events over again, or drops them';
REVOKE ALL ON FUNCTION unpark_v1 FROM PUBLIC;
