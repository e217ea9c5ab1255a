-- Lets go of subscriptions. See migrations/0004/7_release_subscriptions_v1.sql.
SELECT r FROM {schema}.release_subscriptions_v1($1, $2) AS r
