-- Begins another generation of the live version. Verdicts: begun, building (one is being built already), missing.
-- SECURITY DEFINER as join_projection_v1 is. Index: projections_pkey.
CREATE FUNCTION rebuild_projection_v1(p_name text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_version integer;
    v_last integer;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM projections p WHERE p.name = p_name ORDER BY p.generation FOR UPDATE;
    v_version := (SELECT p.version FROM projections p WHERE p.name = p_name AND p.is_live);
    v_last := (SELECT max(p.generation) FROM projections p WHERE p.name = p_name);
    IF v_version IS NULL THEN
        RETURN 'missing';
    ELSIF EXISTS (SELECT FROM projections p WHERE p.name = p_name AND p.version = v_version AND NOT p.is_live) THEN
        RETURN 'building';
    END IF;
    INSERT INTO projections (name, generation, version) VALUES (p_name, v_last + 1, v_version);
    RETURN 'begun';
END
$$;

COMMENT ON FUNCTION rebuild_projection_v1 IS 'eventstore: has a projection be built anew';
REVOKE ALL ON FUNCTION rebuild_projection_v1 FROM PUBLIC;
