-- The groups, or the one that $1 names: how far each is, and what is left to do. Behind in seconds is the age of the first event
-- that is not done, by the database's clock. Indexes: consumer_groups_name_key, group_work_pkey, events_pkey.
SELECT g.name, g.order_by, g.done, coalesce((SELECT e.id FROM {schema}.events e WHERE e.position = g.done),
                                            '00000000-0000-0000-0000-000000000000') AS done_id,
       head.position AS head,
       extract(epoch FROM pg_catalog.clock_timestamp() - (SELECT e.recorded_at FROM {schema}.events e WHERE e.position = g.done + 1))::float8
           AS seconds_behind,
       n.ready, n.leased, n.waiting, n.parked, n.blocked
FROM {schema}.consumer_groups AS g
CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) AS head
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE w.state = 'r' AND w.due_at <= pg_catalog.clock_timestamp()) AS ready,
           count(*) FILTER (WHERE w.state = 'r' AND w.due_at > pg_catalog.clock_timestamp() AND w.lease IS NOT NULL) AS leased,
           count(*) FILTER (WHERE w.state = 'r' AND w.due_at > pg_catalog.clock_timestamp() AND w.lease IS NULL) AS waiting,
           count(*) FILTER (WHERE w.state = 'p') AS parked,
           count(*) FILTER (WHERE w.state = 'b') AS blocked
    FROM {schema}.group_work w WHERE w.group_id = g.id
) AS n
WHERE $1::text IS NULL OR g.name = $1
ORDER BY g.name
