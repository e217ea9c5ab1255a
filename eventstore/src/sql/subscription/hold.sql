-- Begins a subscription, or goes on with it. See migrations/0004/4_hold_subscription_v1.sql.
SELECT h.verdict, h.at, h.at_id, h.other,
       extract(epoch FROM pg_catalog.clock_timestamp() - h.other_beat_at)::float8 AS beat_seconds_ago
FROM {schema}.hold_subscription_v1($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond') AS h
