-- Lets go of a subscription. See migrations/0004/7_release_subscription_v1.sql.
SELECT {schema}.release_subscription_v1($1, $2)
