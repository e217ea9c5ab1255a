-- Sets a checkpoint. See migrations/0004/8_reset_subscription_v1.sql.
SELECT {schema}.reset_subscription_v1($1, $2, $3)
