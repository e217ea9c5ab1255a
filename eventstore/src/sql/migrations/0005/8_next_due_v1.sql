-- In how many milliseconds the next event of a group is due that is leased or waits for another attempt; null if none is. And whether
-- one is due that was claimed p_max_attempts times. Index: group_work_ready.
CREATE FUNCTION next_due_v1(
    p_group_id integer, p_done bigint, p_now timestamptz, p_horizon interval, p_max_attempts integer,
    OUT due_in_ms integer, OUT is_spent boolean)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT least(ceil(extract(epoch FROM min(w.due_at) FILTER (WHERE NOT w.is_due) - clock_timestamp()) * 1000), 2000000000)::integer,
           coalesce(bool_or(w.is_due AND w.attempts >= p_max_attempts), false)
    FROM (SELECT n.due_at, n.attempts, n.due_at <= p_now OR n.due_at > p_now + p_horizon AS is_due
          FROM group_work n
          WHERE n.group_id = p_group_id AND n.state = 'r' AND n.position > p_done) AS w
$$;

COMMENT ON FUNCTION next_due_v1 IS 'eventstore: when a consumer group has something due';
REVOKE ALL ON FUNCTION next_due_v1 FROM PUBLIC;
