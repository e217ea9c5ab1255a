-- Makes `p_holder` the holder of a subscription, which it creates if need be, and tells from where to go on. A new one begins at
-- the token that is given, or at the head. Verdicts:
--
--   granted   from here
--   held      somebody else holds it, and has beaten lately, or is committing at this moment
--   filter    it was made with another filter
--   diverged  the log does not have the event of the checkpoint, or of the token
--
-- Guarantee: one holder at a time, who commits. Whoever held it before can not commit any more.
-- SECURITY DEFINER: subscribers need EXECUTE on these functions and no right on the table but SELECT. Indexes:
-- subscriptions_pkey, events_pkey.
CREATE FUNCTION hold_subscription_v1(
    p_name text, p_fingerprint bytea, p_position bigint, p_event_id uuid, p_from_head boolean,
    p_holder uuid, p_held_by text, p_beat_every interval,
    OUT verdict text, OUT at bigint, OUT at_id uuid, OUT other text, OUT other_beat_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    s subscriptions%ROWTYPE;
BEGIN
    PERFORM require_read_committed_v1();
    LOOP
        SELECT * INTO s FROM subscriptions WHERE subscriptions.name = p_name FOR UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        SELECT 'held', o.held_by, o.beat_at INTO verdict, other, other_beat_at
        FROM subscriptions AS o WHERE o.name = p_name;
        IF FOUND THEN
            RETURN;
        END IF;
        IF p_from_head THEN
            SELECT e.position, e.id INTO p_position, p_event_id FROM events e ORDER BY e.position DESC LIMIT 1;
            IF NOT FOUND THEN
                p_position := 0;
                p_event_id := '00000000-0000-0000-0000-000000000000';
            END IF;
        ELSIF NOT has_event_v1(p_position, p_event_id) THEN
            verdict := 'diverged';
            at := p_position;
            RETURN;
        END IF;
        INSERT INTO subscriptions (name, fingerprint, position, event_id)
        VALUES (p_name, p_fingerprint, p_position, p_event_id)
        ON CONFLICT DO NOTHING;
    END LOOP;
    at := s.position;
    at_id := s.event_id;
    other := s.held_by;
    other_beat_at := s.beat_at;
    verdict := CASE
        WHEN s.fingerprint <> p_fingerprint THEN 'filter'
        WHEN s.holder <> p_holder AND is_alive_v1(s.beat_at, s.beat_every) THEN 'held'
        WHEN NOT has_event_v1(s.position, s.event_id) THEN 'diverged'
        ELSE 'granted' END;
    IF verdict = 'granted' THEN
        UPDATE subscriptions
        SET holder = p_holder, held_by = p_held_by, beat_at = clock_timestamp(), beat_every = p_beat_every
        WHERE subscriptions.name = p_name;
    END IF;
END
$$;

COMMENT ON FUNCTION hold_subscription_v1 IS 'eventstore: begins a subscription, or goes on with it';
REVOKE ALL ON FUNCTION hold_subscription_v1 FROM PUBLIC;
