-- Has this version of a projection be there, if it may be begun: the first one is live at once, a later one is built beside the live
-- one. Returns the
-- generations of this version, and which version is live. None are returned for a version below the live one.
-- SECURITY DEFINER: projectors need EXECUTE on these functions and no right on the table but SELECT. Index: projections_pkey.
CREATE FUNCTION join_projection_v1(p_name text, p_version integer, p_may_begin boolean)
RETURNS TABLE (generation integer, is_live boolean, live_version integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    v_live integer;
    v_last integer;
BEGIN
    PERFORM require_read_committed_v1();
    LOOP
        v_live := (SELECT p.version FROM projections p WHERE p.name = p_name AND p.is_live);
        v_last := (SELECT max(p.generation) FROM projections p WHERE p.name = p_name);
        EXIT WHEN NOT p_may_begin OR v_live > p_version
               OR EXISTS (SELECT FROM projections p WHERE p.name = p_name AND p.version = p_version);
        -- Where two do this at once, one of them finds the other's.
        INSERT INTO projections (name, generation, version, is_live)
        VALUES (p_name, coalesce(v_last, 0) + 1, p_version, v_last IS NULL)
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN QUERY
        SELECT p.generation, p.is_live, v_live FROM projections p
        WHERE p.name = p_name AND p.version = p_version AND coalesce(v_live, 0) <= p_version
        ORDER BY p.generation;
    IF NOT FOUND THEN
        RETURN QUERY SELECT NULL::integer, false, v_live;
    END IF;
END
$$;

COMMENT ON FUNCTION join_projection_v1 IS 'eventstore: takes part in a projection';
REVOKE ALL ON FUNCTION join_projection_v1 FROM PUBLIC;
