-- Begins another generation of the live version. Verdicts: begun, building (one is being built already), missing.
-- SECURITY DEFINER as join_projection_v1 is. Index: projections_pkey.
CREATE FUNCTION rebuild_projection_v1(p_name text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    n projections%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM projections p WHERE p.name = p_name AND p.is_live FOR UPDATE;
    SELECT * INTO n FROM projections p WHERE p.name = p_name ORDER BY p.generation DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 'missing';
    ELSIF NOT n.is_live THEN
        RETURN 'building';
    END IF;
    INSERT INTO projections (name, generation, version) VALUES (p_name, n.generation + 1, n.version);
    RETURN 'begun';
END
$$;

COMMENT ON FUNCTION rebuild_projection_v1 IS 'eventstore: has a projection be built anew';
REVOKE ALL ON FUNCTION rebuild_projection_v1 FROM PUBLIC;
