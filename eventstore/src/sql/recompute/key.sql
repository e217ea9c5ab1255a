-- How far the key $2 of the projection $1 is, and how far its events were noted ($3 is its checkpoint's name), in one snapshot: no row if none
-- were yet. Indexes: subscriptions_pkey, recompute_queue_pkey.
SELECT s.position, s.event_id, q.wanted, q.done, q.failure
FROM {schema}.subscriptions AS s
LEFT JOIN {schema}.recompute_queue AS q ON q.projection = $1 AND q.key = $2
WHERE s.name = $3
