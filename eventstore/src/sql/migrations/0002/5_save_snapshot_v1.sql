-- Saves a snapshot of this history unless a newer one is there; tells whether it did. A snapshot of a history that was lost in a failover
-- counts as none: otherwise it would stand in the way for as long as the log is shorter than it was.
--
-- SECURITY DEFINER: writers need EXECUTE on this function and no right on the table but SELECT.
-- Indexes: snapshots_pkey, events_pkey.
CREATE FUNCTION save_snapshot_v1(p_name text, p_fingerprint bytea, p_position bigint, p_event_id uuid, p_state json)
RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    INSERT INTO snapshots AS s (name, fingerprint, position, event_id, state)
    SELECT p_name, p_fingerprint, p_position, p_event_id, p_state
    WHERE p_position = 0
       OR (SELECT e.id FROM events e WHERE e.position = p_position) IS NOT DISTINCT FROM p_event_id
    ON CONFLICT (name, fingerprint) DO UPDATE
    SET position = excluded.position, event_id = excluded.event_id, state = excluded.state, saved_at = now()
    WHERE s.position <= excluded.position
       OR s.position > 0 AND (SELECT e.id FROM events e WHERE e.position = s.position) IS DISTINCT FROM s.event_id
    RETURNING true
$$;

COMMENT ON FUNCTION save_snapshot_v1 IS 'eventstore: saves a snapshot, never in place of a newer one';
REVOKE ALL ON FUNCTION save_snapshot_v1 FROM PUBLIC;
