-- Has a generation be the live one, once it is as far as the one that is. The caller renames their schemas in the same transaction, which
-- began at READ COMMITTED. Verdicts:
--
--   swapped  the generation that was live is told; it is gone, with all older ones and their checkpoints
--   behind   not as far yet; or events are being applied to one of both at this moment: then no checkpoint of the live one is told
--   live     it is already
--   gone     it is not there any more, or a later version is live
--
-- p_nothing_up_to is a point up to which nothing matches that is not applied, as the caller has found.
--
-- Guarantee: who reads the view never sees it go back: the old generation's checkpoint is locked while both are compared, and
-- whoever still applies events to it can not commit. SECURITY DEFINER as join_projection_v1 is. Indexes: projections_pkey,
-- projections_live, subscriptions_pkey.
CREATE FUNCTION swap_projection_v1(
    p_name text, p_generation integer, p_nothing_up_to bigint,
    OUT verdict text, OUT old_generation integer, OUT old_position bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    n projections%ROWTYPE;
    o projections%ROWTYPE;
    v_new bigint;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM projections p WHERE p.name = p_name ORDER BY p.generation FOR UPDATE;
    SELECT * INTO n FROM projections p WHERE p.name = p_name AND p.generation = p_generation;
    SELECT * INTO o FROM projections p WHERE p.name = p_name AND p.is_live;
    verdict := CASE WHEN n.name IS NULL OR o.version > n.version THEN 'gone' WHEN n.is_live THEN 'live' END;
    IF verdict IS NOT NULL THEN
        RETURN;
    END IF;
    old_generation := o.generation;
    -- Whoever applies events at this moment is not waited for.
    v_new := (SELECT s.position FROM subscriptions s
                     WHERE s.name = projection_checkpoint_v1(p_name, p_generation) FOR UPDATE SKIP LOCKED);
    old_position := (SELECT s.position FROM subscriptions s
                     WHERE s.name = projection_checkpoint_v1(p_name, old_generation) FOR UPDATE SKIP LOCKED);
    IF v_new IS NULL THEN
        old_position := NULL;
    END IF;
    IF old_position IS NULL OR greatest(v_new, p_nothing_up_to) < old_position THEN
        verdict := 'behind';
        RETURN;
    END IF;
    DELETE FROM subscriptions s
    WHERE s.name IN (SELECT projection_checkpoint_v1(p_name, p.generation) FROM projections p
                     WHERE p.name = p_name AND p.generation < p_generation);
    DELETE FROM projections p WHERE p.name = p_name AND p.generation < p_generation;
    UPDATE projections p SET is_live = true WHERE p.name = p_name AND p.generation = p_generation;
    verdict := 'swapped';
END
$$;

COMMENT ON FUNCTION swap_projection_v1 IS 'eventstore: a projection that was rebuilt takes the place of the old one';
REVOKE ALL ON FUNCTION swap_projection_v1 FROM PUBLIC;
