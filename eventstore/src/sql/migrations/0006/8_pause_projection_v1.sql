-- Has all generations of a projection pause, or go on. False if there is no such projection. SECURITY DEFINER as join_projection_v1
-- is. Index: projections_pkey.
CREATE FUNCTION pause_projection_v1(p_name text, p_is_paused boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM FROM projections p WHERE p.name = p_name ORDER BY p.generation FOR UPDATE;
    UPDATE projections p SET is_paused = p_is_paused WHERE p.name = p_name;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION pause_projection_v1 IS 'eventstore: has a projection pause, or go on';
REVOKE ALL ON FUNCTION pause_projection_v1 FROM PUBLIC;
