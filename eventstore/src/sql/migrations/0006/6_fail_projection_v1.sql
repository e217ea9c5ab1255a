-- A generation has stopped at an event. SECURITY DEFINER as join_projection_v1 is. Index: projections_pkey.
CREATE FUNCTION fail_projection_v1(p_name text, p_generation integer, p_position bigint, p_failure text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    UPDATE projections p
    SET failed_position = p_position, failure = p_failure, failed_at = clock_timestamp()
    WHERE p.name = p_name AND p.generation = p_generation
$$;

COMMENT ON FUNCTION fail_projection_v1 IS 'eventstore: a projection has stopped';
REVOKE ALL ON FUNCTION fail_projection_v1 FROM PUBLIC;
