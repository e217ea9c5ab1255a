-- The heartbeat of a member: makes its leases last longer, and returns those that it still has. Folds what is done into the
-- checkpoint, unless somebody else is about to, and forgets members that have been dead for an hour. Tells how far the group is,
-- and whether there are others.
-- SECURITY DEFINER as join_group_v1 is. Indexes: group_members_pkey, group_work_pkey, consumer_groups_pkey.
CREATE FUNCTION beat_group_v1(
    p_group_id integer, p_member uuid, p_in_flight integer, p_positions bigint[], p_leases uuid[], p_for interval,
    p_label text, p_beat_every interval,
    OUT held bigint[], OUT done bigint, OUT parked bigint, OUT others boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    -- It may have been forgotten: taken for dead, or lost in a crash.
    INSERT INTO group_members (group_id, member, label, in_flight, beat_every)
    SELECT c.id, p_member, p_label, p_in_flight, p_beat_every FROM consumer_groups c WHERE c.id = p_group_id
    ON CONFLICT ON CONSTRAINT group_members_pkey DO UPDATE
    SET beat_at = clock_timestamp(), in_flight = excluded.in_flight;
    -- What is locked is being settled.
    UPDATE group_work AS w
    SET due_at = clock_timestamp() + p_for
    FROM (SELECT n.position
          FROM unnest(p_positions, p_leases) AS s(position, lease)
          JOIN group_work AS n ON n.group_id = p_group_id AND n.position = s.position AND n.lease = s.lease
          ORDER BY n.position
          FOR UPDATE OF n SKIP LOCKED) AS s
    WHERE w.group_id = p_group_id AND w.position = s.position;
    held := ARRAY(SELECT n.position
                  FROM unnest(p_positions, p_leases) AS s(position, lease)
                  JOIN group_work AS n ON n.group_id = p_group_id AND n.position = s.position AND n.lease = s.lease);
    PERFORM FROM consumer_groups c WHERE c.id = p_group_id FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        PERFORM fold_group_v1(p_group_id);
        DELETE FROM group_members m
        WHERE m.group_id = p_group_id AND m.beat_at < clock_timestamp() - 2 * m.beat_every - interval '1 hour';
    END IF;
    done := (SELECT c.done FROM consumer_groups c WHERE c.id = p_group_id);
    others := EXISTS (SELECT FROM group_members m WHERE m.group_id = p_group_id AND m.member <> p_member);
    parked := (SELECT count(*) FROM group_work w WHERE w.group_id = p_group_id AND w.state = 'p');
END
$$;

COMMENT ON FUNCTION beat_group_v1 IS 'eventstore: the heartbeat of a member of a consumer group';
REVOKE ALL ON FUNCTION beat_group_v1 FROM PUBLIC;
