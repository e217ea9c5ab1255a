-- The name of the subscription that a generation has its checkpoint under.
CREATE FUNCTION projection_checkpoint_v1(p_name text, p_generation integer) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path FROM CURRENT
AS $$
    SELECT 'projection/' || p_name || '#' || p_generation
$$;

COMMENT ON FUNCTION projection_checkpoint_v1 IS 'eventstore: the checkpoint of a generation of a projection';
