-- The parked events of a group ($1) after a position ($2), $3 at most, and how many wait behind each. Indexes: group_work_pkey,
-- group_work_keys, events_pkey.
SELECT w.position, e.id, w.attempts, w.failure, w.parked_at, e.event_type,
       (SELECT count(*) FROM {schema}.group_work b WHERE b.group_id = w.group_id AND b.key = w.key AND b.position > w.position)
           AS waiting
FROM {schema}.consumer_groups AS g
JOIN {schema}.group_work AS w ON w.group_id = g.id
JOIN {schema}.events AS e ON e.position = w.position
WHERE g.name = $1 AND w.state = 'p' AND w.position > $2
ORDER BY w.position LIMIT $3
