-- Moves `done` of a group to where something is left to do. The caller has locked the group's row, in a statement before. Index:
-- group_work_ready, from where it was done before, so that what was deleted lately is not walked.
CREATE FUNCTION fold_group_v1(p_group_id integer) RETURNS void
LANGUAGE sql VOLATILE
SET search_path FROM CURRENT
AS $$
    UPDATE consumer_groups AS g
    SET done = coalesce((SELECT w.position - 1 FROM group_work w
                         WHERE w.group_id = p_group_id AND w.state = 'r' AND w.position > g.done
                         ORDER BY w.position LIMIT 1), g.fed)
    WHERE g.id = p_group_id
$$;

COMMENT ON FUNCTION fold_group_v1 IS 'eventstore: moves a group''s checkpoint to where something is left to do';
REVOKE ALL ON FUNCTION fold_group_v1 FROM PUBLIC;
