-- Parks events of a group that the caller has locked, and what waits behind them.
-- The group's row is locked first, so that no event of their keys is fed meanwhile. Indexes: group_work_pkey, group_work_keys.
CREATE FUNCTION park_v1(p_group_id integer, p_positions bigint[], p_attempts integer[], p_failures text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM FROM consumer_groups c WHERE c.id = p_group_id FOR UPDATE;
    UPDATE group_work AS w
    SET state = 'p', lease = NULL, due_at = '-infinity', attempts = p.attempts, failure = p.failure,
        parked_at = clock_timestamp()
    FROM unnest(p_positions, p_attempts, p_failures) AS p(position, attempts, failure)
    WHERE w.group_id = p_group_id AND w.position = p.position;
    UPDATE group_work AS w
    SET state = 'b', lease = NULL, due_at = '-infinity'
    FROM group_work AS p
    WHERE p.group_id = p_group_id AND p.position = ANY (p_positions)
      AND w.group_id = p_group_id AND w.key = p.key AND w.position > p.position AND w.state = 'r';
END
$$;

COMMENT ON FUNCTION park_v1 IS 'eventstore: parks events of a consumer group';
REVOKE ALL ON FUNCTION park_v1 FROM PUBLIC;
-- Parks events of which nobody has ever said what came of them.
CREATE FUNCTION park_spent_v1(p_group_id integer, p_positions bigint[], p_attempts integer) RETURNS void
LANGUAGE sql VOLATILE
SET search_path FROM CURRENT
AS $$
    SELECT park_v1(p_group_id, p_positions, array_fill(p_attempts, ARRAY[cardinality(p_positions)]),
                   array_fill('it was claimed as often as it may be, and nobody said what came of it'::text, ARRAY[cardinality(p_positions)]))
$$;

COMMENT ON FUNCTION park_spent_v1 IS 'eventstore: parks events of a consumer group that nobody answered';
REVOKE ALL ON FUNCTION park_spent_v1 FROM PUBLIC;
