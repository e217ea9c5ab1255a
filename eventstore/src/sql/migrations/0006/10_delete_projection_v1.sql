-- Deletes a projection that nobody runs, with the checkpoints of all its generations. The caller drops their schemas in the same
-- transaction. Verdicts: deleted, with the generations and which of them was live; held; missing. SECURITY DEFINER as join_projection_v1
-- is. Indexes: projections_pkey, subscriptions_pkey.
CREATE FUNCTION delete_projection_v1(p_name text, OUT verdict text, OUT generations integer[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM projections p WHERE p.name = p_name ORDER BY p.generation FOR UPDATE;
    generations := ARRAY(SELECT p.generation FROM projections p WHERE p.name = p_name ORDER BY p.generation);
    IF cardinality(generations) = 0 THEN
        verdict := 'missing';
        RETURN;
    END IF;
    PERFORM FROM subscriptions s
    WHERE s.name IN (SELECT projection_checkpoint_v1(p_name, g) FROM unnest(generations) AS g) FOR UPDATE;
    IF EXISTS (SELECT FROM subscriptions s
               WHERE s.name IN (SELECT projection_checkpoint_v1(p_name, g) FROM unnest(generations) AS g)
                 AND s.holder IS NOT NULL AND is_alive_v1(s.beat_at, s.beat_every)) THEN
        verdict := 'held';
        RETURN;
    END IF;
    DELETE FROM subscriptions s
    WHERE s.name IN (SELECT projection_checkpoint_v1(p_name, g) FROM unnest(generations) AS g);
    DELETE FROM projections p WHERE p.name = p_name;
    verdict := 'deleted';
END
$$;

COMMENT ON FUNCTION delete_projection_v1 IS 'eventstore: deletes a projection';
REVOKE ALL ON FUNCTION delete_projection_v1 FROM PUBLIC;
