-- Lets go of subscriptions, so that the next one need not wait until their holder counts as dead. Returns the holders of those that were
-- let go of, or held by others already. What is locked is left out: its holder has a commit under way.
-- SECURITY DEFINER as hold_subscription_v1 is. Index: subscriptions_pkey.
CREATE FUNCTION release_subscriptions_v1(p_names text[], p_holders uuid[]) RETURNS SETOF uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    WITH asked AS MATERIALIZED (
        SELECT u.name, u.holder FROM unnest(p_names, p_holders) AS u(name, holder)
    ), free AS MATERIALIZED (
        SELECT s.name, s.holder FROM subscriptions AS s JOIN asked AS a ON s.name = a.name AND s.holder = a.holder
        FOR UPDATE OF s SKIP LOCKED
    ), released AS (
        UPDATE subscriptions AS s SET holder = NULL, beat_at = NULL
        FROM free AS f WHERE s.name = f.name AND s.holder = f.holder
        RETURNING f.holder
    )
    SELECT r.holder FROM released AS r
    UNION ALL
    SELECT a.holder FROM asked AS a
    WHERE NOT EXISTS (SELECT FROM subscriptions AS s WHERE s.name = a.name AND s.holder = a.holder)
$$;

COMMENT ON FUNCTION release_subscriptions_v1 IS 'eventstore: lets go of subscriptions';
REVOKE ALL ON FUNCTION release_subscriptions_v1 FROM PUBLIC;
