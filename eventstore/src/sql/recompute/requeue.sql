-- Has keys recomputed that have no new event. See migrations/0009/7_requeue_recomputes_v1.sql.
SELECT r.count, r.last FROM {schema}.requeue_recomputes_v1($1, $2, $3) AS r
