-- Moves the checkpoint of a subscription forwards, for its holder; in the caller's transaction, if there is one. Verdicts:
--
--   committed  the checkpoint is there, or was further already
--   lost       somebody else holds the subscription now, or it is gone
--   diverged   the log does not have the event: it was lost in a failover
--   unseen     the caller's transaction may be older than the event, or the holder, so that nothing can be said
--
-- The row is locked only where it is changed: a transaction that is refused holds up nobody. A commit is a heartbeat too. SECURITY DEFINER as hold_subscription_v1 is. Indexes: subscriptions_pkey, events_pkey.
CREATE FUNCTION commit_checkpoint_v1(p_name text, p_holder uuid, p_position bigint, p_event_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_sees_all boolean := pg_catalog.current_setting('transaction_isolation') = 'read committed';
BEGIN
    IF NOT EXISTS (SELECT FROM subscriptions s WHERE s.name = p_name AND s.holder = p_holder) THEN
        RETURN CASE WHEN v_sees_all THEN 'lost' ELSE 'unseen' END;
    END IF;
    IF NOT has_event_v1(p_position, p_event_id) THEN
        RETURN CASE
            WHEN NOT v_sees_all AND p_position > coalesce((SELECT max(e.position) FROM events e), 0) THEN 'unseen'
            ELSE 'diverged' END;
    END IF;
    UPDATE subscriptions s
    SET position = greatest(s.position, p_position),
        event_id = CASE WHEN p_position > s.position THEN p_event_id ELSE s.event_id END,
        committed_at = clock_timestamp(), beat_at = clock_timestamp()
    WHERE s.name = p_name AND s.holder = p_holder;
    RETURN CASE WHEN FOUND THEN 'committed' ELSE 'lost' END;
END
$$;

COMMENT ON FUNCTION commit_checkpoint_v1 IS 'eventstore: moves the checkpoint of a subscription forwards';
REVOKE ALL ON FUNCTION commit_checkpoint_v1 FROM PUBLIC;
