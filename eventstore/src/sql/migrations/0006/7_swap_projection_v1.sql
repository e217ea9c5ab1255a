-- Has a generation be the live one, once it is as far as the one that is. The caller renames their schemas in the same transaction, which
-- began at READ COMMITTED. Verdicts:
--
--   swapped  the generation that was live is told; it is gone, and its checkpoint with it
--   behind   not as far yet
--   live     it is already
--   gone     it is not there any more
--
-- Guarantee: who reads the view never sees it go back: the old generation's checkpoint is locked while both are compared, and
-- whoever still applies events to it can not commit. SECURITY DEFINER as join_projection_v1 is. Indexes: projections_pkey,
-- projections_live, subscriptions_pkey.
CREATE FUNCTION swap_projection_v1(p_name text, p_generation integer, OUT verdict text, OUT old_generation integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    n projections%ROWTYPE;
    v_old bigint;
    v_new bigint;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM projections p WHERE p.name = p_name ORDER BY p.generation FOR UPDATE;
    SELECT * INTO n FROM projections p WHERE p.name = p_name AND p.generation = p_generation;
    verdict := CASE WHEN n.name IS NULL THEN 'gone' WHEN n.is_live THEN 'live' END;
    IF verdict IS NOT NULL THEN
        RETURN;
    END IF;
    old_generation := (SELECT p.generation FROM projections p WHERE p.name = p_name AND p.is_live);
    v_new := (SELECT s.position FROM subscriptions s WHERE s.name = projection_checkpoint_v1(p_name, p_generation));
    v_old := (SELECT s.position FROM subscriptions s WHERE s.name = projection_checkpoint_v1(p_name, old_generation) FOR UPDATE);
    IF v_new IS NULL OR v_new < v_old THEN
        verdict := 'behind';
        RETURN;
    END IF;
    DELETE FROM subscriptions s WHERE s.name = projection_checkpoint_v1(p_name, old_generation);
    DELETE FROM projections p WHERE p.name = p_name AND p.generation = old_generation;
    UPDATE projections p SET is_live = true WHERE p.name = p_name AND p.generation = p_generation;
    verdict := 'swapped';
END
$$;

COMMENT ON FUNCTION swap_projection_v1 IS 'eventstore: a projection that was rebuilt takes the place of the old one';
REVOKE ALL ON FUNCTION swap_projection_v1 FROM PUBLIC;
