-- Says that a handle lives, and moves idle checkpoints on. See migrations/0004/6_beat_subscriptions_v1.sql.
SELECT b.holder, b.position FROM {schema}.beat_subscriptions_v1($1, $2, $3, $4, $5) AS b
