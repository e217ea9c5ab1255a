-- A generation goes on from its checkpoint: what had failed is tried again. SECURITY DEFINER as join_projection_v1 is. Indexes:
-- projections_pkey, subscriptions_pkey.
CREATE FUNCTION resume_projection_v1(p_name text, p_generation integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    UPDATE projections p
    SET resumed_at = clock_timestamp(),
        resumed_position = (SELECT s.position FROM subscriptions s
                            WHERE s.name = projection_checkpoint_v1(p_name, p_generation)),
        failed_position = NULL, failure = NULL, failed_at = NULL
    WHERE p.name = p_name AND p.generation = p_generation
$$;

COMMENT ON FUNCTION resume_projection_v1 IS 'eventstore: a projection goes on';
REVOKE ALL ON FUNCTION resume_projection_v1 FROM PUBLIC;
