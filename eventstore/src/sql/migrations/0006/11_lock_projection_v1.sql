-- Locks the checkpoint of a generation for the caller's transaction, and tells what it is, and whether the generation is live and
-- paused. No row if it is gone. Whoever applies events again, as it does not know whether they were committed, waits here for that.
-- SECURITY DEFINER as join_projection_v1 is. Indexes: projections_pkey, subscriptions_pkey.
CREATE FUNCTION lock_projection_v1(p_name text, p_generation integer)
RETURNS TABLE (is_live boolean, is_paused boolean, "position" bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    v_position bigint;
BEGIN
    PERFORM require_read_committed_v1();
    v_position := (SELECT s.position FROM subscriptions s
                   WHERE s.name = projection_checkpoint_v1(p_name, p_generation) FOR UPDATE);
    RETURN QUERY
        SELECT p.is_live, p.is_paused, v_position FROM projections p
        WHERE p.name = p_name AND p.generation = p_generation AND v_position IS NOT NULL;
END
$$;

COMMENT ON FUNCTION lock_projection_v1 IS 'eventstore: locks the checkpoint of a projection';
REVOKE ALL ON FUNCTION lock_projection_v1 FROM PUBLIC;
