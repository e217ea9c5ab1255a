-- delete_recomputes_v1 as migration 9 made it (its header says what the verdicts are), and the checkpoint goes with the first keys, and not with the
-- last: whoever began the projection between two pieces went on from a checkpoint whose keys were gone. Who begins it now begins with the first
-- event; what is left of the old keys then is what they were, and noted anew.
--
-- Guarantee: nobody holds or begins the projection while some of its keys are deleted: its checkpoint is locked, or where there is none, one
-- is there that nobody else sees. Indexes: subscriptions_pkey, recompute_queue_pkey.
--
-- CREATE OR REPLACE keeps the owner, the grants and the comment.
CREATE OR REPLACE FUNCTION delete_recomputes_v1(p_projection text, p_limit integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    s subscriptions%ROWTYPE;
    v_is_there boolean := true;
BEGIN
    PERFORM require_read_committed_v1();
    SELECT * INTO s FROM subscriptions WHERE subscriptions.name = 'recompute/' || p_projection FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        INSERT INTO subscriptions (name, fingerprint, position, event_id)
        VALUES ('recompute/' || p_projection, '', 0, '00000000-0000-0000-0000-000000000000')
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN 'held';
        END IF;
        v_is_there := EXISTS (SELECT FROM recompute_queue q WHERE q.projection = p_projection);
    ELSIF s.holder IS NOT NULL AND is_alive_v1(s.beat_at, s.beat_every) THEN
        RETURN 'held';
    END IF;
    DELETE FROM recompute_queue q
    WHERE q.projection = p_projection
      -- As an array, so that it is chosen once: rows that are deleted already are passed over, and a second choice would take more.
      AND q.key = ANY (ARRAY(SELECT o.key FROM recompute_queue o WHERE o.projection = p_projection ORDER BY o.key LIMIT p_limit FOR UPDATE));
    DELETE FROM subscriptions o WHERE o.name = 'recompute/' || p_projection;
    RETURN CASE WHEN NOT v_is_there THEN 'missing'
                WHEN EXISTS (SELECT FROM recompute_queue q WHERE q.projection = p_projection) THEN 'more'
                ELSE 'deleted' END;
END
$$;
