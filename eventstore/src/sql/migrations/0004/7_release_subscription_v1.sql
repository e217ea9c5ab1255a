-- Lets go of a subscription, so that the next one need not wait until its holder counts as dead.
-- SECURITY DEFINER as hold_subscription_v1 is. Index: subscriptions_pkey.
CREATE FUNCTION release_subscription_v1(p_name text, p_holder uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    UPDATE subscriptions s SET holder = NULL, beat_at = NULL WHERE s.name = p_name AND s.holder = p_holder
$$;

COMMENT ON FUNCTION release_subscription_v1 IS 'eventstore: lets go of a subscription';
REVOKE ALL ON FUNCTION release_subscription_v1 FROM PUBLIC;
