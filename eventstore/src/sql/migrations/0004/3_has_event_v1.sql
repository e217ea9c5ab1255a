-- Whether the log has this event at this position; always at 0, before the first one. By events_pkey.
CREATE FUNCTION has_event_v1(p_position bigint, p_event_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN p_position = 0
        OR (SELECT e.id FROM events e WHERE e.position = p_position) IS NOT DISTINCT FROM p_event_id;
END
$$;

COMMENT ON FUNCTION has_event_v1 IS 'eventstore: whether the event that a token names is there';
