-- Sets the checkpoint of a subscription that nobody holds, backwards or forwards; or deletes it, where no position is given. Verdicts: reset, held, missing, diverged. SECURITY DEFINER as hold_subscription_v1 is. Indexes:
-- subscriptions_pkey, events_pkey.
CREATE FUNCTION reset_subscription_v1(p_name text, p_position bigint, p_event_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    s subscriptions%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    SELECT * INTO s FROM subscriptions WHERE subscriptions.name = p_name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    ELSIF s.holder IS NOT NULL AND is_alive_v1(s.beat_at, s.beat_every) THEN
        RETURN 'held';
    ELSIF p_position IS NULL THEN
        DELETE FROM subscriptions WHERE subscriptions.name = p_name;
    ELSIF NOT has_event_v1(p_position, p_event_id) THEN
        RETURN 'diverged';
    ELSE
        UPDATE subscriptions
        SET position = p_position, event_id = p_event_id, committed_at = clock_timestamp(),
            holder = NULL, held_by = NULL, beat_at = NULL
        WHERE subscriptions.name = p_name;
    END IF;
    RETURN 'reset';
END
$$;

COMMENT ON FUNCTION reset_subscription_v1 IS 'eventstore: sets the checkpoint of a subscription, or deletes it';
REVOKE ALL ON FUNCTION reset_subscription_v1 FROM PUBLIC;
