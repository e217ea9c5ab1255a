-- Forgets a recomputed projection: some of its keys, p_limit at most, and its checkpoint with the last of them. What was saved stays. Verdicts:
--
--   more     there are more keys: do it again
--   deleted  it is forgotten; whoever is still at work on a key can not save it
--   held     somebody who is alive notes its events, or is doing so at this moment
--   missing  there is none
--
-- SECURITY DEFINER as queue_recomputes_v1 is. Indexes: subscriptions_pkey, recompute_queue_pkey.
CREATE FUNCTION delete_recomputes_v1(p_projection text, p_limit integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    s subscriptions%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    SELECT * INTO s FROM subscriptions WHERE subscriptions.name = 'recompute/' || p_projection FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN CASE WHEN EXISTS (SELECT FROM subscriptions o WHERE o.name = 'recompute/' || p_projection)
                    THEN 'held' ELSE 'missing' END;
    END IF;
    IF s.holder IS NOT NULL AND is_alive_v1(s.beat_at, s.beat_every) THEN
        RETURN 'held';
    END IF;
    DELETE FROM recompute_queue q
    WHERE q.projection = p_projection
      AND q.key IN (SELECT o.key FROM recompute_queue o WHERE o.projection = p_projection ORDER BY o.key LIMIT p_limit FOR UPDATE);
    IF EXISTS (SELECT FROM recompute_queue q WHERE q.projection = p_projection) THEN
        RETURN 'more';
    END IF;
    DELETE FROM subscriptions o WHERE o.name = s.name;
    RETURN 'deleted';
END
$$;

COMMENT ON FUNCTION delete_recomputes_v1 IS 'eventstore: forgets a recomputed projection';
REVOKE ALL ON FUNCTION delete_recomputes_v1 FROM PUBLIC;
