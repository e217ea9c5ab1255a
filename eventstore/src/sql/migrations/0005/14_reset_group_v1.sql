-- Has a group that nobody takes part in begin again after a position, with nothing leased or parked; or deletes it, where no position
-- is given. Verdicts: reset, held, missing, diverged. SECURITY DEFINER as join_group_v1 is. Indexes: consumer_groups_name_key,
-- group_members_pkey, group_work_pkey.
CREATE FUNCTION reset_group_v1(p_name text, p_position bigint, p_event_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_id integer;
BEGIN
    PERFORM require_read_committed_v1();
    SELECT c.id INTO v_id FROM consumer_groups c WHERE c.name = p_name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    ELSIF EXISTS (SELECT FROM group_members m WHERE m.group_id = v_id AND is_alive_v1(m.beat_at, m.beat_every)) THEN
        RETURN 'held';
    ELSIF p_position IS NOT NULL AND NOT has_event_v1(p_position, p_event_id) THEN
        RETURN 'diverged';
    END IF;
    DELETE FROM group_work w WHERE w.group_id = v_id;
    DELETE FROM group_members m WHERE m.group_id = v_id;
    IF p_position IS NULL THEN
        DELETE FROM consumer_groups c WHERE c.id = v_id;
    ELSE
        UPDATE consumer_groups c SET fed = p_position, fed_id = p_event_id, done = p_position WHERE c.id = v_id;
    END IF;
    RETURN 'reset';
END
$$;

COMMENT ON FUNCTION reset_group_v1 IS 'eventstore: has a consumer group begin again, or deletes it';
REVOKE ALL ON FUNCTION reset_group_v1 FROM PUBLIC;
