-- In how many milliseconds the next event of a group is due that is leased or waits for another attempt; null if none is. Index:
-- group_work_ready.
CREATE FUNCTION next_due_v1(p_group_id integer, p_done bigint, p_now timestamptz, p_horizon interval) RETURNS integer
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT least(ceil(extract(epoch FROM min(w.due_at) - clock_timestamp()) * 1000), 2000000000)::integer
    FROM group_work w
    WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > p_done
      AND w.due_at > p_now AND w.due_at <= p_now + p_horizon
$$;

COMMENT ON FUNCTION next_due_v1 IS 'eventstore: when a consumer group has something due';
REVOKE ALL ON FUNCTION next_due_v1 FROM PUBLIC;
