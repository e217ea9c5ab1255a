-- The heartbeat of a handle: one call for all subscriptions that it holds. Returns those that it still holds, with their
-- checkpoints. Where everything that was handed over is committed (p_handed), the checkpoint moves on to the point up to which
-- nothing else matches: so one whose events are rare does not fall behind.
--
-- A row that is locked is passed over: its holder is about to commit, in a transaction that may take long and lock others.
-- SECURITY DEFINER as hold_subscription_v1 is. Indexes: subscriptions_pkey, events_pkey.
CREATE FUNCTION beat_subscriptions_v1(
    p_names text[], p_holders uuid[], p_handed bigint[], p_reached bigint[], p_reached_ids uuid[])
RETURNS TABLE (holder uuid, "position" bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    WITH beats AS MATERIALIZED (
        SELECT u.name, u.holder, u.handed, u.reached, u.reached_id, has_event_v1(u.reached, u.reached_id) AS is_there
        FROM unnest(p_names, p_holders, p_handed, p_reached, p_reached_ids) AS u(name, holder, handed, reached, reached_id)
    ), free AS MATERIALIZED (
        SELECT s.name FROM subscriptions AS s JOIN beats AS b ON s.name = b.name AND s.holder = b.holder
        FOR UPDATE OF s SKIP LOCKED
    ), beaten AS (
        UPDATE subscriptions AS s
        SET beat_at = clock_timestamp(),
            position = CASE WHEN s.position >= b.handed AND b.reached > s.position AND b.is_there
                            THEN b.reached ELSE s.position END,
            event_id = CASE WHEN s.position >= b.handed AND b.reached > s.position AND b.is_there
                            THEN b.reached_id ELSE s.event_id END
        FROM beats AS b JOIN free AS f ON f.name = b.name
        WHERE s.name = b.name AND s.holder = b.holder
        RETURNING s.name, s.position
    )
    SELECT s.holder, coalesce((SELECT n.position FROM beaten AS n WHERE n.name = s.name), s.position)
    FROM subscriptions AS s JOIN beats AS b ON s.name = b.name AND s.holder = b.holder
$$;

COMMENT ON FUNCTION beat_subscriptions_v1 IS 'eventstore: the heartbeat of whoever holds subscriptions';
REVOKE ALL ON FUNCTION beat_subscriptions_v1 FROM PUBLIC;
