-- Locks a generation and says whether its tables are still to be made, by the caller, in this transaction; null if it is gone.
-- SECURITY DEFINER as join_projection_v1 is. Index: projections_pkey.
CREATE FUNCTION make_projection_v1(p_name text, p_generation integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_is_made boolean;
BEGIN
    PERFORM require_read_committed_v1();
    v_is_made := (SELECT p.is_made FROM projections p WHERE p.name = p_name AND p.generation = p_generation FOR UPDATE);
    UPDATE projections p SET is_made = true
    WHERE p.name = p_name AND p.generation = p_generation AND NOT p.is_made;
    RETURN NOT v_is_made;
END
$$;

COMMENT ON FUNCTION make_projection_v1 IS 'eventstore: whether the tables of a projection are to be made';
REVOKE ALL ON FUNCTION make_projection_v1 FROM PUBLIC;
